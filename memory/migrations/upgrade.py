"""Bring an opened database to the newest revision, or say why it cannot be.

The whole upgrade is one transaction of the caller, who also holds off every other process; a failure leaves the
database as it was. Alembic is imported only when there is something to look at, because it is slow to import.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from sqlalchemy import Connection

from memory.errors import LedgerError

if TYPE_CHECKING:
    from alembic.config import Config


def _config(connection: Connection) -> Config:
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent).replace("%", "%%"))
    config.attributes["connection"] = connection
    return config


def upgrade(connection: Connection) -> bool:
    """Apply what is missing and say whether anything was.

    Raises:
        LedgerError: the database was written by a newer version, whose revisions are unknown here.
    """
    from alembic import command
    from alembic.runtime.migration import MigrationContext
    from alembic.script import ScriptDirectory

    config = _config(connection)
    scripts = ScriptDirectory.from_config(config)
    known = {script.revision for script in scripts.walk_revisions()}
    current = set(MigrationContext.configure(connection).get_current_heads())
    if unknown := sorted(current - known):
        raise LedgerError(
            f"the ledger was written by a newer version of Attune (revision {', '.join(unknown)} is unknown here): "
            "install that version or a newer one, restore a backup, or choose another data directory with ATTUNE_HOME"
        )
    if current == set(scripts.get_heads()):
        return False
    command.upgrade(config, "head")
    return True
