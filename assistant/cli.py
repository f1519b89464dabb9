"""`attune`: run and operate the backend."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from assistant import backup_cli, carrying_cli, keys_cli, memories_cli, policies_cli, report_cli, users_cli
from assistant.config import AssistantConfig, load_config
from assistant.errors import AttuneError
from assistant.options import ConfigFile

if TYPE_CHECKING:
    from assistant.importing import Imported

app = typer.Typer(
    help="A chat assistant that gets to know one person at a time. Chat with `attune-chat`; this runs the backend.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
imports = typer.Typer(help="Bring people and their history in.", no_args_is_help=True)
models = typer.Typer(help="Which language model answers.", no_args_is_help=True)
app.add_typer(imports, name="import")
app.add_typer(keys_cli.app, name="keys")
app.add_typer(users_cli.app, name="users")
app.add_typer(memories_cli.app, name="memories")
app.add_typer(report_cli.app, name="report")
app.add_typer(models, name="models")
app.add_typer(policies_cli.app, name="policies")
app.command("serve-policy")(policies_cli.serve_policy)
app.command("export")(carrying_cli.export)
app.command("backup")(backup_cli.backup)
app.command("restore")(backup_cli.restore)
imports.command("attune")(carrying_cli.import_attune)
imports.command("chatgpt")(carrying_cli.import_chatgpt)
imports.command("jsonl")(carrying_cli.import_jsonl)


@app.command()
def serve(
    config: ConfigFile = None,
    host: Annotated[str | None, typer.Option(help="Where to listen; beyond this machine only once keys exist.")] = None,
    port: Annotated[int | None, typer.Option(help="0 takes a free port.")] = None,
    log_format: Annotated[
        str | None, typer.Option("--log-format", help="text, or json: one object a line, with every request.")
    ] = None,
    worker: Annotated[
        bool | None, typer.Option("--worker/--no-worker", help="Whether it learns and forgets itself.")
    ] = None,
) -> None:
    """Serve the chat API until stopped; SIGTERM lets replies and learning finish."""
    from assistant import logs
    from assistant.serve import serve as run

    if log_format not in (None, "text", "json"):
        raise AttuneError(f"no log format {log_format!r}: choose text or json")
    loaded = load_config(config)
    options = (("host", host), ("port", port), ("log_format", log_format), ("worker", worker))
    given = {name: value for name, value in options if value is not None}
    server = loaded.server.model_copy(update=given)
    logs.configure(server.log_format)
    asyncio.run(run(loaded.model_copy(update={"server": server})))


@app.command()
def work(
    config: ConfigFile = None,
    port: Annotated[int | None, typer.Option(help="Of its health; 0 takes a free port.")] = None,
    log_format: Annotated[
        Literal["text", "json"] | None, typer.Option("--log-format", help="text, or json: one object a line.")
    ] = None,
) -> None:
    """Learn, forget and export for every `attune serve --no-worker` on the same Postgres, until stopped."""
    from assistant import logs
    from assistant.work import work as run

    loaded = load_config(config)
    logs.configure(log_format or loaded.server.log_format)
    given = {} if port is None else {"port": port}
    asyncio.run(run(loaded.model_copy(update={"worker": loaded.worker.model_copy(update=given)})))


@imports.command("alpsbench")
def import_alpsbench(
    file: Annotated[Path, typer.Argument(help="Records as .jsonl or .jsonl.gz, in AlpsBench's format.")],
    limit: Annotated[int | None, typer.Option(min=1, help="Only the first so many records.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the summary as JSON.")] = False,
    config: ConfigFile = None,
) -> None:
    """Import records as people with history and reflect on it. Safe to interrupt and run again."""
    from assistant.importing import Imported, import_file
    from assistant.remote import find

    loaded = load_config(config)
    if not file.is_file():
        raise AttuneError(f"no file {file}")
    remote = find(loaded.memory_config.home)
    if remote is not None:
        path = "/v1/admin/import/alpsbench" + (f"?limit={limit}" if limit else "")
        kind = "application/gzip" if file.suffix == ".gz" else "application/x-ndjson"
        with file.open("rb") as content:
            last = _follow(remote.steps(path, iter(lambda: content.read(1 << 16), b""), {"content-type": kind}))
    else:
        last = asyncio.run(_directly(loaded, lambda runtime: import_file(runtime, file, limit)))
    summary = Imported.model_validate(last)
    _print_summary(summary, as_json)
    if summary.skipped and not summary.people:
        raise AttuneError(f"no line of {file} is a record in AlpsBench's format; nothing was imported")


@app.command()
def ask(
    message: Annotated[str, typer.Argument(help="What to say.")],
    user: Annotated[str | None, typer.Option(help="As this person, by the name an import or app gave them.")] = None,
    config: ConfigFile = None,
) -> None:
    """Say one thing and show the reply with the facts it was made from; nothing of it is kept or learned."""
    from assistant.asking import ask_directly, ask_remote
    from assistant.remote import find

    loaded = load_config(config)
    remote = find(loaded.memory_config.home)
    reply = ask_remote(remote, user, message) if remote else asyncio.run(ask_directly(loaded, user, message))
    for fact in reply.context.facts if reply.context else []:
        print(f"recalled: {fact}")
    print(f"({reply.policy_version}, recall {reply.context.status if reply.context else 'unknown'})")
    print(reply.message.text)


@app.command()
def doctor(
    rebuild_index: Annotated[
        bool, typer.Option("--rebuild-index", help="Build everybody's index again from the ledger.")
    ] = False,
    config: ConfigFile = None,
) -> None:
    """Check the data directory, the ledger, the index and the models."""
    from assistant.examining import examine
    from assistant.reindexing import rebuild
    from assistant.remote import find

    loaded = load_config(config)
    remote = find(loaded.memory_config.home)
    if rebuild_index:
        steps = _follow(remote.steps("/v1/admin/index/rebuild")) if remote else asyncio.run(_directly(loaded, rebuild))
        done = steps or {"facts": 0, "people": 0}
        print(f"rebuilt: {done['facts']} facts of {done['people']} people")
        return
    findings = asyncio.run(examine(loaded, remote))
    for finding in findings:
        print(f"{'ok  ' if finding.ok else 'FAIL'}  {finding.what}: {finding.detail}")
    if not all(finding.ok for finding in findings):
        raise typer.Exit(1)


@app.command()
def erase(
    user: Annotated[str | None, typer.Option(help="This person, by the name an import or app gave them.")] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would go.")] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    config: ConfigFile = None,
) -> None:
    """Forget everything of a person, the local owner by default, and print the receipt."""
    from assistant.erasing import erase_directly, erase_remote, lines_of
    from assistant.remote import find
    from assistant.wire import Receipt

    loaded = load_config(config)
    remote = find(loaded.memory_config.home)
    if not (dry_run or yes):
        typer.confirm(f"Forget everything of {user or 'the local owner'}? Nothing brings it back", abort=True)
    if remote:
        receipt = erase_remote(remote, user, dry_run)
    else:
        last = asyncio.run(_directly(loaded, lambda runtime: erase_directly(runtime, user, dry_run)))
        receipt = Receipt.model_validate(last)
    for line in lines_of(receipt):
        print(line)


@app.command()
def jobs(
    retry: Annotated[bool, typer.Option("--retry", help="Queue every failed job again.")] = False,
    config: ConfigFile = None,
) -> None:
    """Show what reflection still has to do and what failed."""

    async def run() -> None:
        async with _ledger(load_config(config)) as ledger:
            if retry:
                for job in await ledger.jobs.list(status="failed"):
                    await ledger.jobs.requeue(job.id)
                    await ledger.audit.write("operator", "job.retry", job.id, {"kind": job.kind})
            for status, count in sorted((await ledger.jobs.counts()).items()):
                print(f"{status}: {count}")
            for job in await ledger.jobs.list(status="failed"):
                print(f"{job.id}  {job.kind}  tried {job.attempts} times: {job.error}")

    asyncio.run(run())


@models.command("list")
def list_models(config: ConfigFile = None) -> None:
    """Show which models were found and which one would answer."""
    from assistant.examining import describe_models

    for line in asyncio.run(describe_models(load_config(config))):
        print(line)


@models.command("use")
def use_model(
    name: Annotated[str, typer.Argument(help="A name from `attune models list`.")],
    yes: Annotated[
        bool, typer.Option("--yes", help="Agree that text leaves this machine, without being asked.")
    ] = False,
    config: ConfigFile = None,
) -> None:
    """Choose what answers; asks before anything may leave this machine."""
    from assistant.examining import choose_model

    def agree(description: str) -> bool:
        return yes or typer.confirm(f"{description}\nYour messages would leave this machine. Do you want that?")

    print(asyncio.run(choose_model(load_config(config), name, agree)))


def _ledger(config: AssistantConfig) -> Any:
    from memory.ledger.ledger import Ledger

    return Ledger.open(config.memory_config)


async def _directly(config: AssistantConfig, work: Callable[[Any], AsyncIterator[Any]]) -> dict[str, Any] | None:
    """Open the data directory ourselves, because no backend runs on it, and follow the work."""
    from assistant.progress import bar
    from assistant.runtime import open_runtime

    async with open_runtime(config) as runtime:
        last = None
        with bar() as show:
            async for step in work(runtime):
                last = step.model_dump()
                show(last)
        return last


def _follow(steps: Iterator[dict[str, Any]]) -> dict[str, Any] | None:
    from assistant.progress import bar

    last = None
    with bar() as show:
        for last in steps:
            show(last)
    return last


def _print_summary(summary: Imported, as_json: bool) -> None:
    if as_json:
        print(json.dumps(summary.model_dump(), indent=2))
        return
    for line in summary.skipped:
        print(f"skipped {line}", file=sys.stderr)
    print(f"people          {summary.people}")
    print(f"conversations   {summary.conversations}")
    print(f"messages        {summary.messages}")
    print(f"facts           {summary.facts}")
    print(f"failed batches  {summary.failed_batches}")
    print(f"seconds         {summary.seconds}")
    print(f"facts a minute  {summary.facts_per_minute}")
    print("facts a person  " + ", ".join(f"{name}: {n} people" for name, n in summary.facts_per_person.items()))


def main() -> None:
    """Run the command line; errors are a sentence, not a traceback."""
    from memory.errors import MemoryLayerError

    try:
        app(standalone_mode=True)
    except (AttuneError, MemoryLayerError) as error:
        print(f"attune: {error}", file=sys.stderr)
        raise SystemExit(1) from None


if __name__ == "__main__":
    main()
