"""Alembic's entry: runs the migrations on the connection that `memory.migrations.upgrade` passes in."""

from __future__ import annotations

from alembic import context

from memory.ledger.tables import metadata


def _run() -> None:
    connection = context.config.attributes.get("connection")
    if connection is None:
        raise RuntimeError("migrations run when the ledger is opened; use memory.migrations.upgrade")
    context.configure(
        connection=connection,
        target_metadata=metadata,
        render_as_batch=connection.dialect.name == "sqlite",
        transactional_ddl=False,  # the caller holds the one transaction, on both databases
    )
    context.run_migrations()


_run()
