from __future__ import annotations

import os
import select
import sys
from pathlib import Path

import pytest

from training.child import child
from training.errors import EngineError

WITH_OFFSPRING = """
import pathlib, subprocess, sys, time
grandchild = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
path = pathlib.Path(sys.argv[1])
path.with_suffix(".new").write_text(str(grandchild.pid))
path.with_suffix(".new").rename(path)
time.sleep(600)
"""


def is_running(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except FileNotFoundError:
        return False


def test_leaving_stops_the_program_and_what_it_started(tmp_path: Path) -> None:
    path = tmp_path / "pid"
    command = [sys.executable, "-c", WITH_OFFSPRING, str(path)]
    with child("a program", command, log=tmp_path / "log", environment={}) as program:
        program.wait_until(path.exists, within_s=30)
        grandchild = os.pidfd_open(int(path.read_text()))
        assert not select.select([grandchild], [], [], 0)[0], "it runs"
    assert program.process.returncode is not None
    assert select.select([grandchild], [], [], 30)[0], "it has ended, or is about to: nobody here waits for it"
    os.close(grandchild)


def test_a_program_that_ends_before_it_is_ready_is_an_error_that_quotes_its_log(tmp_path: Path) -> None:
    command = [sys.executable, "-c", "import os, sys; print('no', os.environ['WHAT']); sys.exit(3)"]
    with (
        pytest.raises(EngineError, match=r"(?s)a program ended with status 3.*no luck"),
        child("a program", command, log=tmp_path / "log", environment={"WHAT": "luck"}) as program,
    ):
        program.wait_until(lambda: False, within_s=30)


def test_a_program_that_is_never_ready_is_an_error_and_is_stopped(tmp_path: Path) -> None:
    command = [sys.executable, "-c", "import time; time.sleep(600)"]
    with (
        pytest.raises(EngineError, match="not ready within"),
        child("a program", command, log=tmp_path / "log", environment={}) as program,
    ):
        program.wait_until(lambda: False, within_s=0.3)
    assert not is_running(program.process.pid)


def test_a_program_has_no_input_and_keeps_the_environment(tmp_path: Path) -> None:
    command = [sys.executable, "-c", "import os, sys; print([sys.stdin.read(), os.environ['PATH']])"]
    with child("a program", command, log=tmp_path / "log", environment={}) as program:
        program.process.wait(timeout=30)
    assert (tmp_path / "log").read_text().strip() == str(["", os.environ["PATH"]])
