from pathlib import Path

import pytest

from memory.backup import back_up, restore
from memory.config import MemoryConfig
from memory.errors import DataDirectoryLockedError, LedgerError
from memory.ledger.ledger import Ledger
from memory.lock import DataDirectoryLock


async def test_a_copy_of_an_open_ledger_is_restored_whole(tmp_path: Path) -> None:
    home, file = tmp_path / "home", tmp_path / "copy.db"
    async with Ledger.open(MemoryConfig(home=home)) as ledger:
        person = await ledger.users.create("ada")
        assert back_up(home, file) == file.stat().st_size
        await ledger.users.create("too late")
    assert file.stat().st_mode & 0o777 == 0o600
    restore(tmp_path / "new", file)
    async with Ledger.open(MemoryConfig(home=tmp_path / "new")) as ledger:
        assert [one.id for one in (await ledger.users.list())[0]] == [person.id]


async def test_nothing_that_is_there_is_overwritten(tmp_path: Path) -> None:
    home, file = tmp_path / "home", tmp_path / "copy.db"
    async with Ledger.open(MemoryConfig(home=home)):
        back_up(home, file)
    with pytest.raises(LedgerError, match="there already"):
        back_up(home, file)
    with pytest.raises(LedgerError, match="move that away"):
        restore(home, file)
    with DataDirectoryLock(tmp_path / "busy"), pytest.raises(DataDirectoryLockedError):
        restore(tmp_path / "busy", file)


async def test_a_damaged_copy_is_refused(tmp_path: Path) -> None:
    home, file = tmp_path / "home", tmp_path / "copy.db"
    async with Ledger.open(MemoryConfig(home=home)):
        back_up(home, file)
    content = file.read_bytes()
    for damaged in (b"", b"no database", content[: len(content) // 2]):
        file.write_bytes(damaged)
        with pytest.raises(LedgerError):
            restore(tmp_path / "new", file)
        assert not (tmp_path / "new" / "attune.db").exists()
