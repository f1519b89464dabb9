"""`attune users`: who there is, how much is kept of them, and erasing them; never what they said."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Annotated

import typer

from assistant.config import load_config
from assistant.options import ConfigFile

if TYPE_CHECKING:
    from assistant import wire
    from memory.types import Person

app = typer.Typer(help="The people of this backend, by ids and counts.", no_args_is_help=True)

PersonId = Annotated[str, typer.Argument(help="The id of a person, from `attune users list`.")]


@app.command("list")
def list_all(config: ConfigFile = None) -> None:
    """List people, oldest first: id, since when, and what they are called."""
    from memory.ledger.ledger import Ledger

    async def run() -> list[Person]:
        people: list[Person] = []
        cursor: str | None = None
        async with Ledger.open(load_config(config).memory_config) as ledger:
            while True:
                page, cursor = await ledger.users.list(cursor, 200)
                people += page
                if cursor is None:
                    return people

    for person in asyncio.run(run()):
        typer.echo(f"{person.id}  {person.created_at:%Y-%m-%d}  {person.external_id or '-'}")


@app.command("show")
def show(person_id: PersonId, config: ConfigFile = None) -> None:
    """Count what is kept of a person."""
    from assistant import people
    from memory.ledger.ledger import Ledger

    async def run() -> wire.PersonCounts:
        async with Ledger.open(load_config(config).memory_config) as ledger:
            return await people.counts(ledger, person_id)

    counts = asyncio.run(run())
    for name, value in counts.model_dump(exclude={"person"}).items():
        typer.echo(f"{name.replace('_', ' '):20} {'-' if value is None else value}")


@app.command("erase")
def erase(
    person_id: PersonId,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would go.")] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    config: ConfigFile = None,
) -> None:
    """Erase a person with everything that is theirs, and print the receipt."""
    from assistant.erasing import erase_person, erase_person_remote, lines_of
    from assistant.keyring import OPERATOR
    from assistant.remote import find
    from assistant.runtime import open_runtime

    loaded = load_config(config)
    if not (dry_run or yes):
        typer.confirm(f"Forget everything of {person_id}? Nothing brings it back", abort=True)
    remote = find(loaded.memory_config.home)

    async def run() -> wire.Receipt:
        async with open_runtime(loaded) as runtime:
            return await erase_person(runtime, OPERATOR, person_id, dry_run=dry_run)

    for line in lines_of(erase_person_remote(remote, person_id, dry_run) if remote else asyncio.run(run())):
        typer.echo(line)
