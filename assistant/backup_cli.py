"""`attune backup` and `attune restore`: the ledger as one checked file."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from assistant.config import AssistantConfig, load_config
from assistant.errors import AttuneError
from assistant.options import ConfigFile


def backup(
    file: Annotated[Path, typer.Argument(help="The new file to write.")],
    config: ConfigFile = None,
) -> None:
    """Copy everything that is kept to one checked file; the backend may run meanwhile. Not encrypted."""
    from memory.backup import back_up

    size = back_up(_home(load_config(config)), file)
    typer.echo(f"wrote and checked {file} ({size / (1 << 20):.1f} MiB); what is forgotten later stays in it")


def restore(
    file: Annotated[Path, typer.Argument(help="A file that `attune backup` wrote.")],
    config: ConfigFile = None,
) -> None:
    """Put a copy into an empty data directory. Then: attune doctor --rebuild-index."""
    from memory.backup import restore as put_back

    home = _home(load_config(config))
    put_back(home, file)
    typer.echo(f"restored to {home}; now build the index: attune doctor --rebuild-index")


def _home(config: AssistantConfig) -> Path:
    memory = config.memory_config
    if memory.database_url is not None:
        raise AttuneError("the ledger is on a database server: copy it with pg_dump, bring it back with pg_restore")
    return memory.home
