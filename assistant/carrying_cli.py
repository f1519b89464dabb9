"""`attune export` and `attune import attune | chatgpt | jsonl`: one person's things, out and in."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from assistant.config import AssistantConfig, load_config
from assistant.errors import AttuneError
from assistant.options import ConfigFile

if TYPE_CHECKING:
    from assistant.bringing import Format
    from assistant.remote import Remote
    from assistant.runtime import Runtime

User = Annotated[str | None, typer.Option(help="As this person, by the name an import or app gave them.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print the summary as JSON.")]
_POLL_S = 0.2


def export(
    user: Annotated[str | None, typer.Argument(help="By the name an import or app gave them; else the owner.")] = None,
    out: Annotated[Path, typer.Option(help="The zip to write.")] = Path("attune-export.zip"),
    config: ConfigFile = None,
) -> None:
    """Write everything held about a person to one zip: JSON for machines, Markdown for people. Not encrypted."""
    from assistant.remote import find

    if out.exists():
        raise AttuneError(f"{out} is there already: name another file with --out")
    loaded = load_config(config)
    remote = find(loaded.memory_config.home)
    if remote is not None:
        _download(remote, user, out)
    else:
        asyncio.run(_write(loaded, user, out))
    typer.echo(f"wrote {out} ({out.stat().st_size / 1024:.0f} KiB); read README.md in it first")


def import_attune(
    file: Annotated[Path, typer.Argument(help="A zip that `attune export` or POST /v1/me/export made.")],
    user: User = None,
    as_json: AsJson = False,
    config: ConfigFile = None,
) -> None:
    """Restore an export, of this or another installation. Safe to run again: what is there is not doubled."""
    _import("attune", file, user, as_json, load_config(config))


def import_chatgpt(
    file: Annotated[Path, typer.Argument(help="The zip of a ChatGPT data export, or the conversations.json in it.")],
    user: User = None,
    as_json: AsJson = False,
    config: ConfigFile = None,
) -> None:
    """Import conversations with ChatGPT, with their own dates, and learn from them as from chat."""
    _import("chatgpt", file, user, as_json, load_config(config))


def import_jsonl(
    file: Annotated[Path, typer.Argument(help="Lines of {user, conversation, role, content, created_at}; .gz too.")],
    user: User = None,
    as_json: AsJson = False,
    config: ConfigFile = None,
) -> None:
    """Import messages from JSON lines. Without --user each line names whose it is."""
    _import("jsonl", file, user, as_json, load_config(config))


def _import(format: Format, file: Path, user: str | None, as_json: bool, config: AssistantConfig) -> None:
    from assistant.progress import bar
    from assistant.remote import find
    from assistant.wire import Brought

    if not file.is_file():
        raise AttuneError(f"no file {file}")
    remote = find(config.memory_config.home)
    last: dict[str, Any] = {}
    with bar() as show:
        if remote is not None:
            everybody = format == "jsonl" and user is None
            path = "/v1/admin/import/jsonl" if everybody else f"/v1/me/import?format={format}"
            headers = {"x-user-id": user} if user else {}
            if user:
                _make_sure_of(remote, user)
            with file.open("rb") as content:
                for last in remote.steps(path, iter(lambda: content.read(1 << 16), b""), headers):
                    show(last)
        else:
            last = asyncio.run(_bring(config, format, file, user, show))
    brought = Brought.model_validate(last)
    for line in brought.skipped:
        typer.echo(f"skipped {line}", err=True)
    if as_json:
        typer.echo(brought.model_dump_json(indent=2))
    else:
        for name, value in brought.model_dump(exclude={"type", "skipped"}).items():
            typer.echo(f"{name.replace('_', ' '):15} {value}")
    if brought.skipped and not (brought.conversations or brought.already_there):
        raise AttuneError(f"nothing in {file} could be read as {format}; nothing was imported")


def _make_sure_of(remote: Remote, user: str) -> None:
    """Have the running backend know somebody of this name, as the import without one does."""
    import httpx

    from assistant.remote import envelope_error

    try:
        with remote.client() as client:
            answer = client.post("/v1/admin/users", json={"external_id": user})
    except httpx.HTTPError as error:
        raise AttuneError(f"the backend at {remote.url} went away: {error}. Run the command again") from error
    if answer.status_code not in (201, 409):  # 409: they are there
        raise envelope_error(answer)


async def _bring(config: AssistantConfig, format: Format, file: Path, user: str | None, show: Any) -> dict[str, Any]:
    from assistant.bringing import bring
    from assistant.runtime import open_runtime

    async with open_runtime(config) as runtime:
        person = None if user is None else (await runtime.ledger.users.ensure_external("", user)).id
        last: dict[str, Any] = {}
        steps: AsyncIterator[Any] = bring(runtime, format, file, person)
        async for step in steps:
            last = step.model_dump(mode="json")
            show(last)
        return last


async def _write(config: AssistantConfig, user: str | None, out: Path) -> None:
    from assistant.runtime import open_runtime

    async with open_runtime(config) as runtime:
        await runtime.carrying.write(await _person(runtime, user), out)


async def _person(runtime: Runtime, user: str | None) -> str:
    return runtime.owner.id if user is None else (await runtime.ledger.users.by_external(user)).id


def _download(remote: Remote, user: str | None, out: Path) -> None:
    import httpx

    from assistant.remote import envelope_error

    headers = {"x-user-id": user} if user else {}
    try:
        with remote.client() as client:
            answer = client.post("/v1/me/export", headers=headers)
            path = f"/v1/me/export/{answer.json()['id']}" if answer.status_code == 202 else ""
            while answer.status_code == 202:
                time.sleep(_POLL_S)
                answer = client.get(path, headers=headers)
            if answer.status_code >= 400:
                raise envelope_error(answer)
            with out.open("xb") as file:
                out.chmod(0o600)
                file.write(answer.content)
    except httpx.HTTPError as error:
        raise AttuneError(f"the backend at {remote.url} went away: {error}. Run the command again") from error
