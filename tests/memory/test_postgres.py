"""The ledger on a real Postgres; all of tests/memory/ledger runs there too when ATTUNE_TEST_POSTGRES names a server."""

import asyncio
import os
from contextlib import AsyncExitStack

import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy import Connection, text

from memory.config import MemoryConfig
from memory.database import Database
from memory.errors import LedgerError
from memory.ledger import tables
from memory.ledger.ledger import Ledger

pytestmark = [
    pytest.mark.postgres,
    pytest.mark.skipif("ATTUNE_TEST_POSTGRES" not in os.environ, reason="ATTUNE_TEST_POSTGRES names no server"),
]


async def test_the_migrations_build_exactly_the_tables_on_postgres(memory_config: MemoryConfig) -> None:
    def differences(connection: Connection) -> list[object]:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        return list(compare_metadata(context, tables.metadata))

    async with Database.open(memory_config) as database, database.reading() as connection:
        assert database.dialect == "postgresql"
        assert await connection.run_sync(differences) == []


async def test_several_may_open_a_new_database_at_once(memory_config: MemoryConfig) -> None:
    async with AsyncExitStack() as stack:
        opened = await asyncio.gather(*(stack.enter_async_context(Ledger.open(memory_config)) for _ in range(4)))
        owners = await asyncio.gather(*(ledger.users.owner() for ledger in opened))
    assert len(set(owners)) == 1


async def test_a_postgres_database_of_a_newer_version_is_refused(memory_config: MemoryConfig) -> None:
    async with Database.open(memory_config) as database, database.writing() as connection:
        await connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    with pytest.raises(LedgerError, match="newer version"):
        async with Database.open(memory_config):
            pass


async def test_a_server_that_is_not_there_is_named_without_its_password(memory_config: MemoryConfig) -> None:
    config = memory_config.model_copy(update={"database_url": "postgresql://me:secret@127.0.0.1:1/none"})
    with pytest.raises(LedgerError, match="cannot open the ledger at postgresql") as caught:
        async with Database.open(config):
            pass
    assert "secret" not in str(caught.value)
