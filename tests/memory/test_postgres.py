"""The ledger on a real Postgres, where `make test-postgres` runs all of tests/memory/ledger too."""

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
    pytest.mark.skipif("ATTUNE_TEST_POSTGRES" not in os.environ, reason="for make test-postgres"),
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


async def test_several_workers_claim_each_job_once_and_a_persons_one_at_a_time(memory_config: MemoryConfig) -> None:
    """Each worker has connections of its own, as processes have; `FOR UPDATE SKIP LOCKED` parts them."""
    async with AsyncExitStack() as stack:
        ledgers = [await stack.enter_async_context(Ledger.open(memory_config)) for _ in range(4)]
        people = [await ledgers[0].users.create() for _ in range(8)]
        queued = [await ledgers[0].jobs.enqueue(one.id, "reflect", {"n": n}) for n in range(5) for one in people]
        done: list[tuple[str, str]] = []
        running: set[str] = set()

        async def work(number: int, ledger: Ledger) -> None:
            while len(done) < len(queued):
                job = await ledger.jobs.claim(f"worker {number}", 60)
                if job is None:
                    await asyncio.sleep(0.001)
                    continue
                assert job.person_id not in running
                running.add(job.person_id)
                await ledger.users.get(job.person_id)
                running.discard(job.person_id)
                done.append((job.person_id, job.id))
                assert await ledger.jobs.done(job.id, f"worker {number}")

        await asyncio.gather(*(work(number, ledger) for number, ledger in enumerate(ledgers)))
    assert sorted(id for _, id in done) == sorted(job.id for job in queued)
    for person in people:
        theirs = [job.id for job in queued if job.person_id == person.id]
        assert [id for whose, id in done if whose == person.id] == theirs
