import asyncio
import sqlite3
import subprocess
import sys
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy import Connection, insert, select, text
from sqlalchemy.dialects import postgresql
from sqlalchemy.schema import CreateIndex, CreateTable

from memory.config import MemoryConfig
from memory.database import Database
from memory.errors import LedgerError
from memory.ledger import tables
from memory.ledger.ledger import Ledger

CHECKOUT = Path(__file__).parents[2]

_OPEN_AND_APPEND = """
import asyncio, sys
from datetime import UTC, datetime
from pathlib import Path
from memory.config import MemoryConfig
from memory.ledger.ledger import Ledger

async def main() -> None:
    async with Ledger.open(MemoryConfig(home=Path(sys.argv[1]))) as ledger:
        person = await ledger.users.owner()
        conversation = await ledger.conversations.create(person.id)
        print("open", flush=True)
        number = int(sys.argv[2])
        while number:
            number -= 1
            appended = await ledger.messages.append(person.id, conversation.id, "user", "x" * 500)
            print(appended.message.id, flush=True)

asyncio.run(main())
"""


@pytest.fixture
def memory_config(tmp_path: Path) -> MemoryConfig:
    """SQLite, whichever database the other tests use."""
    return MemoryConfig(home=tmp_path / "home")


def _process(home: Path, number: int) -> subprocess.Popen[str]:
    command = [sys.executable, "-W", "error", "-c", _OPEN_AND_APPEND, str(home), str(number)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=CHECKOUT)


async def test_the_home_and_the_files_in_it_are_the_owners_alone(memory_config: MemoryConfig) -> None:
    async with Ledger.open(memory_config) as ledger:
        await ledger.users.owner()
        assert memory_config.home.stat().st_mode & 0o777 == 0o700
        files = {path.name: path.stat().st_mode & 0o777 for path in memory_config.home.iterdir()}
    assert {"attune.db", "attune.db-wal", "attune.db-shm"} <= files.keys()
    assert set(files.values()) == {0o600}


async def test_a_home_that_others_may_read_is_closed_to_them(memory_config: MemoryConfig) -> None:
    memory_config.home.mkdir(mode=0o755)
    async with Database.open(memory_config):
        assert memory_config.home.stat().st_mode & 0o777 == 0o700


async def test_every_connection_has_the_pragmas(memory_config: MemoryConfig) -> None:
    wanted = {"journal_mode": "wal", "foreign_keys": 1, "secure_delete": 1, "synchronous": 2, "busy_timeout": 30_000}
    async with Database.open(memory_config) as database:
        for opened in (database.reading, database.writing):
            async with opened() as connection:
                found = {name: (await connection.exec_driver_sql(f"PRAGMA {name}")).scalar_one() for name in wanted}
            assert found == wanted


async def test_the_migrations_build_exactly_the_tables(memory_config: MemoryConfig) -> None:
    def differences(connection: Connection) -> list[object]:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        return list(compare_metadata(context, tables.metadata))

    async with Database.open(memory_config) as database, database.reading() as connection:
        assert await connection.run_sync(differences) == []


async def test_the_migrations_write_the_same_sql_as_the_tables(memory_config: MemoryConfig, tmp_path: Path) -> None:
    async with Database.open(memory_config):
        pass
    from sqlalchemy import create_engine

    engine = create_engine(f"sqlite:///{tmp_path / 'direct.db'}")
    tables.metadata.create_all(engine)
    engine.dispose()
    assert _checks(memory_config.home / "attune.db") == _checks(tmp_path / "direct.db")


def _checks(path: Path) -> dict[str, tuple[set[str], list[object]]]:
    """Per table: its constraints as written, and its foreign keys; neither is compared by autogenerate."""
    with closing(sqlite3.connect(path)) as connection:
        query = "SELECT name, sql FROM sqlite_master WHERE type = 'table' AND name NOT IN ('alembic_version')"
        found: dict[str, tuple[set[str], list[object]]] = {}
        for name, sql in connection.execute(query):
            # A column that a migration adds stands in the line of the last one before.
            lines = {line.strip().rstrip(",") for line in (sql or "").replace(", ", ",\n").splitlines()[1:]}
            keys = sorted(tuple(row[2:]) for row in connection.execute(f"PRAGMA foreign_key_list({name})"))
            found[name] = (lines, list(keys))
        return found


def test_the_tables_can_be_written_for_postgres() -> None:
    dialect = postgresql.dialect()  # type: ignore[no-untyped-call]
    for table in tables.metadata.sorted_tables:
        assert str(CreateTable(table).compile(dialect=dialect))
        for index in table.indexes:
            sql = str(CreateIndex(index).compile(dialect=dialect))
            assert len(index.name or "") <= 63
            if "running" in str(index.name) or "active" in str(index.name) or "live" in str(index.name):
                assert " WHERE " in sql


async def test_opening_again_changes_nothing_and_loses_nothing(memory_config: MemoryConfig) -> None:
    async with Ledger.open(memory_config) as ledger:
        person = await ledger.users.create("somebody")
    async with Ledger.open(memory_config) as ledger:
        assert await ledger.users.get(person.id) == person


async def test_a_database_of_a_newer_version_is_refused_and_left_alone(memory_config: MemoryConfig) -> None:
    async with Database.open(memory_config) as database, database.writing() as connection:
        await connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    with pytest.raises(LedgerError, match=r"newer version of Attune \(revision 9999 .*install that version"):
        async with Database.open(memory_config):
            pass
    with closing(sqlite3.connect(memory_config.home / "attune.db")) as raw:
        assert raw.execute("SELECT version_num FROM alembic_version").fetchall() == [("9999",)]


async def test_a_file_that_is_no_database_is_refused_and_left_alone(memory_config: MemoryConfig) -> None:
    memory_config.home.mkdir()
    file = memory_config.home / "attune.db"
    file.write_bytes(b"my diary, not a database" * 100)
    with pytest.raises(LedgerError, match="not a database; check"):
        async with Database.open(memory_config):
            pass
    assert file.read_bytes() == b"my diary, not a database" * 100


async def test_a_home_that_is_a_file_is_refused_with_the_repair(tmp_path: Path) -> None:
    (tmp_path / "home").write_text("")
    with pytest.raises(LedgerError, match=r"cannot use .*home.*ATTUNE_HOME"):
        async with Database.open(MemoryConfig(home=tmp_path / "home")):
            pass


@pytest.mark.parametrize(
    "url", ["mysql://x/y", "sqlite+aiosqlite:///:memory:", "sqlite+aiosqlite://", "not a url", "sqlite+pysqlite:///x"]
)
async def test_a_url_that_cannot_be_used_is_refused(tmp_path: Path, url: str) -> None:
    with pytest.raises(LedgerError, match="database_url"):
        async with Database.open(MemoryConfig(home=tmp_path, database_url=url)):
            pass


async def test_the_database_may_lie_elsewhere_by_url(tmp_path: Path) -> None:
    config = MemoryConfig(home=tmp_path / "home", database_url=f"sqlite:///{tmp_path / 'else where.db'}")
    async with Ledger.open(config) as ledger:
        await ledger.users.owner()
    assert (tmp_path / "else where.db").stat().st_mode & 0o777 == 0o600
    assert not (tmp_path / "home" / "attune.db").exists()


async def test_a_transaction_that_fails_leaves_nothing(ledger: Ledger) -> None:
    with pytest.raises(RuntimeError, match="stop"):
        async with ledger.database.writing() as connection:
            row = {"at": datetime.now(UTC), "actor": "a", "action": "b", "subject": "c", "detail": {}}
            await connection.execute(insert(tables.audit).values(**row))
            raise RuntimeError("stop")
    assert await ledger.audit.list() == []


async def test_what_is_written_while_reading_is_not_kept(ledger: Ledger) -> None:
    async with ledger.database.reading() as connection:
        await connection.execute(text("DELETE FROM alembic_version"))
    async with ledger.database.reading() as connection:
        assert (await connection.execute(text("SELECT count(*) FROM alembic_version"))).scalar_one() == 1


async def test_a_reader_sees_one_state_while_others_write(ledger: Ledger) -> None:
    async with ledger.database.reading() as connection:
        before = (await connection.execute(select(tables.users.c.id))).all()
        await ledger.users.create()
        assert (await connection.execute(select(tables.users.c.id))).all() == before


async def test_a_failure_of_the_database_is_a_ledger_error_without_the_values(ledger: Ledger) -> None:
    person = await ledger.users.create()
    with pytest.raises(LedgerError) as caught:
        async with ledger.database.writing() as connection:
            row = {"person_id": person.id, "purpose": "my secret words", "granted": None, "at": None}
            await connection.execute(insert(tables.consents).values(**row))
    error: BaseException | None = caught.value
    while error is not None:
        assert "my secret words" not in str(error)
        error = error.__cause__


async def test_a_cancelled_write_leaves_nothing_and_blocks_nobody(ledger: Ledger) -> None:
    person = await ledger.users.create()
    conversation = await ledger.conversations.create(person.id)
    job = ("reflect", {"conversation_id": conversation.id})

    async def append(number: int) -> None:
        await ledger.messages.append(person.id, conversation.id, "user", f"message {number}", jobs=[job])

    for round in range(6):
        tasks = [asyncio.create_task(append(number)) for number in range(8)]
        for _ in range(round * 7):
            await asyncio.sleep(0)
        for task in tasks[::2]:
            task.cancel()
        results = await asyncio.gather(*tasks, return_exceptions=True)
        assert not [r for r in results if r is not None and not isinstance(r, asyncio.CancelledError)]
    await append(99)
    stored = await ledger.messages.recent(person.id, conversation.id, 1000)
    assert stored[-1].text == "message 99"
    assert (await ledger.jobs.counts())["pending"] == len(stored) >= 6 * 4 + 1


@pytest.mark.parametrize("rewrite", [False, True])
async def test_what_was_deleted_is_in_no_file_after_scrubbing(memory_config: MemoryConfig, rewrite: bool) -> None:
    async with Ledger.open(memory_config) as ledger:
        person, other = await ledger.users.create(), await ledger.users.create()
        kept = await ledger.conversations.create(other.id)
        gone = await ledger.conversations.create(person.id)
        for number in range(150):
            words = f"unmentionable {number} " * (1 + number % 40)
            await ledger.messages.append(person.id, gone.id, "user", words)
            await ledger.messages.append(other.id, kept.id, "user", f"ordinary {number}")
        assert b"unmentionable" in _bytes_of(memory_config.home)
        await ledger.conversations.delete(person.id, gone.id)
        await ledger.database.scrub(rewrite=rewrite)
        assert b"unmentionable" not in _bytes_of(memory_config.home)
        assert b"ordinary 149" in _bytes_of(memory_config.home)


async def test_scrubbing_says_when_a_reader_of_another_process_prevents_it(
    ledger: Ledger, memory_config: MemoryConfig
) -> None:
    await ledger.users.create()
    with closing(sqlite3.connect(memory_config.home / "attune.db")) as other:
        other.execute("BEGIN")
        other.execute("SELECT count(*) FROM users").fetchone()
        await ledger.users.create()
        with pytest.raises(LedgerError, match="not yet scrubbed"):
            await ledger.database.scrub()
    await ledger.database.scrub()


def _bytes_of(home: Path) -> bytes:
    return b"".join(path.read_bytes() for path in sorted(home.iterdir()))


def test_two_processes_may_open_a_new_home_at_once(tmp_path: Path) -> None:
    processes = [_process(tmp_path / "home", 3) for _ in range(3)]
    for process in processes:
        out, errors = process.communicate(timeout=60)
        assert process.returncode == 0, errors
        assert len(out.splitlines()) == 4


async def test_every_acknowledged_message_outlives_a_kill(memory_config: MemoryConfig) -> None:
    process = _process(memory_config.home, 1_000_000)
    assert process.stdout is not None and process.stderr is not None
    assert process.stdout.readline() == "open\n"
    first = [process.stdout.readline().strip() for _ in range(100)]
    process.kill()
    rest, _ = process.communicate(timeout=60)
    printed = first + [line for line in rest.splitlines() if len(line) == len(first[0])]
    async with Ledger.open(memory_config) as ledger:
        person = await ledger.users.owner()
        conversation = (await ledger.conversations.list(person.id))[0][0]
        stored = await ledger.messages.recent(person.id, conversation.id, 1_000_000)
    assert {message.id for message in stored} >= set(printed)
    assert len(stored) <= len(printed) + 1


async def test_reads_that_are_given_up_hold_nothing_back_from_scrubbing(ledger: Ledger) -> None:
    counting = text("WITH RECURSIVE t(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM t WHERE i < :n) SELECT i FROM t")

    async def read(count: int) -> None:
        async with ledger.database.reading() as connection:
            await connection.execute(text("SELECT count(*) FROM users"))
            await connection.execute(counting, {"n": count})

    given_up = 0
    for turn in range(60):
        readers = [asyncio.create_task(read(count)) for count in (1, 100, 20_000, 20_000, 1, 100, 20_000, 1)]
        await asyncio.sleep(turn / 2000)  # at ever later moments of what the driver's threads do
        for reader in readers:
            reader.cancel()
        await asyncio.gather(*readers, return_exceptions=True)
        given_up += sum(reader.cancelled() for reader in readers)
        await ledger.users.create()
        await ledger.database.scrub()
    assert given_up
