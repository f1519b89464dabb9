import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from memory.errors import DataDirectoryLockedError
from memory.lock import DataDirectoryLock

HOLD = """
import sys
from pathlib import Path
from memory.lock import DataDirectoryLock
with DataDirectoryLock(Path(sys.argv[1])):
    print("held", flush=True)
    sys.stdin.read()
"""


def test_the_data_directory_is_created_private(tmp_path: Path) -> None:
    with DataDirectoryLock(tmp_path / "a" / "home"):
        assert (tmp_path / "a" / "home").stat().st_mode & 0o777 == 0o700


def test_a_second_owner_is_told_who_holds_it_and_what_to_do(tmp_path: Path) -> None:
    with DataDirectoryLock(tmp_path):
        (tmp_path / "backend.json").write_text(json.dumps({"url": "http://127.0.0.1:8300", "pid": os.getpid()}))
        with pytest.raises(DataDirectoryLockedError) as refused, DataDirectoryLock(tmp_path):
            pass
    assert str(tmp_path) in str(refused.value)
    assert f"process {os.getpid()}" in str(refused.value)
    assert "http://127.0.0.1:8300" in str(refused.value)
    assert "Repair:" in str(refused.value)


def test_a_damaged_backend_file_does_not_hide_the_reason(tmp_path: Path) -> None:
    with DataDirectoryLock(tmp_path):
        (tmp_path / "backend.json").write_text("{")
        with pytest.raises(DataDirectoryLockedError, match="in use"), DataDirectoryLock(tmp_path):
            pass


def test_it_can_be_taken_again_after_it_was_given_back(tmp_path: Path) -> None:
    for _ in range(2):
        with DataDirectoryLock(tmp_path):
            assert (tmp_path / "attune.pid").read_text().strip() == str(os.getpid())
    assert not (tmp_path / "attune.pid").exists()


def test_a_killed_owner_leaves_it_free(tmp_path: Path) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", HOLD, str(tmp_path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as owner:
        assert owner.stdout is not None
        assert owner.stdout.readline() == "held\n"
        with pytest.raises(DataDirectoryLockedError, match=f"process {owner.pid}"), DataDirectoryLock(tmp_path):
            pass
        owner.kill()
        owner.wait()
    with DataDirectoryLock(tmp_path):
        pass


def test_a_place_that_cannot_be_a_directory_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(DataDirectoryLockedError, match="ATTUNE_HOME"), DataDirectoryLock(tmp_path / "file" / "home"):
        pass
