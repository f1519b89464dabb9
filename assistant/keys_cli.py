"""`attune keys`: who may use this backend. Acts on the ledger itself, whether a backend runs or not."""

from __future__ import annotations

import asyncio
from typing import Annotated

import typer

from assistant.config import load_config
from assistant.errors import AttuneError
from assistant.options import ConfigFile

app = typer.Typer(help="API keys: who may use this backend.", no_args_is_help=True)


@app.command("create")
def create(
    kind: Annotated[str, typer.Option(help="user (one person), app, or admin.")] = "user",
    user: Annotated[
        str | None, typer.Option(help="The id of the person of a user key; a new person when left out.")
    ] = None,
    act_as: Annotated[bool, typer.Option("--act-as", help="Let an app key name its people.")] = False,
    label: Annotated[str, typer.Option(help="What it is for.")] = "",
    config: ConfigFile = None,
) -> None:
    """Make a key and print it once; only its hash is kept."""
    from pydantic import ValidationError

    from assistant import keyring, wire
    from memory.ledger.ledger import Ledger

    try:
        wanted = wire.NewKey.model_validate({"kind": kind, "person_id": user, "act_as": act_as, "label": label})
    except ValidationError as error:
        first = error.errors()[0]
        raise AttuneError(f"{'.'.join(map(str, first['loc'])) or 'key'}: {first['msg']}") from None

    async def run() -> wire.KeyMade:
        async with Ledger.open(load_config(config).memory_config) as ledger:
            return await keyring.make(ledger, keyring.OPERATOR, wanted)

    made = asyncio.run(run())
    person = f", person {made.key.person_id}" if made.key.person_id else ""
    typer.echo(f"{made.secret}\nid {made.key.id}, kind {made.key.kind}{person}")


@app.command("list")
def list_all(config: ConfigFile = None) -> None:
    """List keys without their secrets."""
    from memory.ledger.keys import KeyRecord
    from memory.ledger.ledger import Ledger

    async def run() -> list[KeyRecord]:
        async with Ledger.open(load_config(config).memory_config) as ledger:
            return await ledger.keys.list()

    for key in asyncio.run(run()):
        state = "revoked" if key.revoked_at else "active"
        kind = f"{key.kind}+act_as" if "act_as" in key.scopes else key.kind
        typer.echo(f"{key.id}  {kind}  {state}  {key.person_id or '-'}  {key.label}".rstrip())


@app.command("revoke")
def revoke(key_id: Annotated[str, typer.Argument(help="From `attune keys list`.")], config: ConfigFile = None) -> None:
    """Revoke a key at once, also in a backend that runs."""
    from assistant import keyring
    from memory.ledger.ledger import Ledger

    async def run() -> None:
        async with Ledger.open(load_config(config).memory_config) as ledger:
            await keyring.revoke(ledger, keyring.OPERATOR, key_id)

    asyncio.run(run())
    typer.echo(f"revoked {key_id}")
