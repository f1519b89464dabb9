import sqlite3
from pathlib import Path

import pytest

from memory.one_hop import connecting


async def test_rows_come_with_the_statement_and_leave_no_lock(tmp_path: Path) -> None:
    path = str(tmp_path / "one.db")
    one, two = connecting(path), connecting(path)
    await one
    await two
    await one.execute("PRAGMA journal_mode=WAL")
    cursor = one.cursor()
    await cursor.execute("CREATE TABLE said (n)")
    await cursor.executemany("INSERT INTO said VALUES (?)", [(n,) for n in range(3)])
    assert cursor.rowcount == 3
    await one.commit()
    await cursor.execute("SELECT n FROM said WHERE n > :least ORDER BY n", {"least": 0})
    assert [column[0] for column in cursor.description] == ["n"]
    async with two.execute("PRAGMA wal_checkpoint(TRUNCATE)") as checkpoint:
        assert await checkpoint.fetchone() == (0, 0, 0), "the rows are read, so nothing holds the log"
    assert await cursor.fetchall() == [(1,), (2,)]
    assert await cursor.fetchall() == []
    await one.close()
    await two.close()


async def test_a_statement_that_fails_says_why_and_the_next_one_works(tmp_path: Path) -> None:
    connection = connecting(str(tmp_path / "one.db"))
    await connection
    cursor = connection.cursor()
    with pytest.raises(sqlite3.OperationalError, match="no such table"):
        await cursor.execute("SELECT * FROM nowhere")
    await cursor.execute("SELECT 1")
    assert await cursor.fetchall() == [(1,)]
    await connection.close()
