"""`attune memories`: what is remembered about a person: look at it, correct it, review what was inferred, forget it.

Goes through the running backend, or without one asks the same app in this process, so that both answer alike.
"""

from __future__ import annotations

import asyncio
import json
from typing import Annotated, Any, Literal

import typer

from assistant.config import AssistantConfig, load_config
from assistant.errors import AttuneError
from assistant.options import ConfigFile

app = typer.Typer(
    help="What is remembered about a person: the local owner, or whom --user names.", no_args_is_help=True
)

User = Annotated[str | None, typer.Option(help="This person, by the name an import or app gave them.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print what the API answers.")]
MemoryId = Annotated[str, typer.Argument(help="From `attune memories list`.")]
Status = Literal["active", "superseded", "unconfirmed"]
KindOption = Annotated[str | None, typer.Option(help="identity, preference, goal, … ; docs/memory.md has them all.")]
_PAGE = 200
_BASE = "/v1/me/memories"


@app.command("list")
def list_all(
    status: Annotated[
        Status, typer.Option(help="active; superseded, which is history; unconfirmed: inferred, waits for your word.")
    ] = "active",
    kind: KindOption = None,
    user: User = None,
    as_json: AsJson = False,
    config: ConfigFile = None,
) -> None:
    """List memories, newest first. `--status unconfirmed` is the review queue: confirm or decline each."""
    _print_all(config, user, {"status": status, **({"kind": kind} if kind else {})}, as_json)


@app.command("search")
def search(
    words: Annotated[str, typer.Argument(help="What the memory contains.")],
    user: User = None,
    as_json: AsJson = False,
    config: ConfigFile = None,
) -> None:
    """Find memories that contain these words."""
    _print_all(config, user, {"q": words}, as_json)


@app.command("show")
def show(memory_id: MemoryId, user: User = None, as_json: AsJson = False, config: ConfigFile = None) -> None:
    """Show a memory of any status with the words it rests on."""
    memory = _ask(config, user, "GET", f"/{memory_id}")
    _print(memory, as_json)
    if not as_json:
        ended = f", until {memory['valid_to'][:10]}" if memory.get("valid_to") else ""
        typer.echo(f"  since {memory['valid_from'][:10]}{ended}, confidence {memory['confidence']:.2f}")
        for evidence in memory["evidence"]:
            typer.echo(f"  “{evidence['quote']}” ({evidence['message_id']})")


@app.command("add")
def add(
    text: Annotated[str, typer.Argument(help="In the person's words.")],
    kind: KindOption = None,
    user: User = None,
    as_json: AsJson = False,
    config: ConfigFile = None,
) -> None:
    """Remember something."""
    _print(_ask(config, user, "POST", "", {"text": text, **({"kind": kind} if kind else {})}), as_json)


@app.command("edit")
def edit(
    memory_id: MemoryId,
    text: Annotated[str, typer.Argument(help="What is right instead.")],
    kind: KindOption = None,
    user: User = None,
    as_json: AsJson = False,
    config: ConfigFile = None,
) -> None:
    """Put what is right in place of a memory; the old one is kept as history."""
    body = {"text": text, **({"kind": kind} if kind else {})}
    _print(_ask(config, user, "PATCH", f"/{memory_id}", body), as_json)


@app.command("confirm")
def confirm(memory_id: MemoryId, user: User = None, as_json: AsJson = False, config: ConfigFile = None) -> None:
    """Say that a memory is right: what was inferred counts in full from then on."""
    _print(_ask(config, user, "POST", f"/{memory_id}/confirm"), as_json)


@app.command("decline")
def decline(memory_id: MemoryId, user: User = None, as_json: AsJson = False, config: ConfigFile = None) -> None:
    """Say that a memory is not right: it ends, and is not learned again from what was said before."""
    _print(_ask(config, user, "POST", f"/{memory_id}/decline"), as_json)


@app.command("forget")
def forget(
    memory_id: MemoryId,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would go.")] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    user: User = None,
    as_json: AsJson = False,
    config: ConfigFile = None,
) -> None:
    """Forget a memory and the versions it replaced, to the last byte, and print the receipt."""
    from assistant import wire
    from assistant.erasing import lines_of

    if not (dry_run or yes):
        typer.confirm(f"Forget {memory_id}? Nothing brings it back", abort=True)
    answer = _ask(config, user, "DELETE", f"/{memory_id}?dry_run={str(dry_run).lower()}")
    if as_json:
        typer.echo(json.dumps(answer, indent=2))
        return
    for line in lines_of(wire.Receipt.model_validate(answer["receipt"])):
        typer.echo(line)


def _print_all(config: ConfigFile, user: str | None, query: dict[str, str], as_json: bool) -> None:
    from urllib.parse import urlencode

    memories: list[dict[str, Any]] = []
    cursor: str | None = None
    while True:
        page = {**query, "limit": str(_PAGE), **({"cursor": cursor} if cursor else {})}
        answer = _ask(config, user, "GET", f"?{urlencode(page)}")
        memories += answer["data"]
        cursor = answer.get("next_cursor")
        if cursor is None:
            break
    if as_json:
        typer.echo(json.dumps(memories, indent=2, ensure_ascii=False))
        return
    for memory in memories:
        _print(memory, as_json=False)
    if not memories:
        typer.echo("nothing of that is remembered", err=True)


def _print(memory: dict[str, Any], as_json: bool) -> None:
    if as_json:
        typer.echo(json.dumps(memory, indent=2, ensure_ascii=False))
        return
    state = memory.get("review") or ("unconfirmed" if memory["origin"] == "inferred" else memory["origin"])
    ended = "" if memory["status"] == "active" else f", {memory['status']}"
    typer.echo(f"{memory['id']}  {memory['kind']}  {state}{ended}  {memory['text']}")


def _ask(
    config: ConfigFile, user: str | None, method: str, path: str, body: dict[str, str] | None = None
) -> dict[str, Any]:
    """Ask the API, of the running backend or of one in this process, and return what it answers.

    Raises:
        AttuneError: what it answered instead.
    """
    import httpx

    from assistant.remote import envelope_error, find

    loaded = load_config(config)
    headers = {"x-user-id": user} if user else {}
    remote = find(loaded.memory_config.home)
    if remote is None:
        answer = asyncio.run(_directly(loaded, method, _BASE + path, headers, body))
    else:
        try:
            with remote.client() as client:
                answer = client.request(method, _BASE + path, headers=headers, json=body)
        except httpx.HTTPError as error:
            raise AttuneError(f"the backend at {remote.url} went away: {error}. Run the command again") from error
    if answer.status_code >= 400:
        raise envelope_error(answer)
    found: dict[str, Any] = answer.json()
    return found


async def _directly(
    config: AssistantConfig, method: str, path: str, headers: dict[str, str], body: dict[str, str] | None
) -> Any:
    import httpx

    from assistant.app import create_app
    from assistant.owner import owner_key

    served = create_app(config)
    async with served.router.lifespan_context(served):
        carried = {**headers, "authorization": f"Bearer {owner_key(config.memory_config.home)}"}
        transport = httpx.ASGITransport(served)
        async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1", timeout=None) as client:
            return await client.request(method, path, headers=carried, json=body)
