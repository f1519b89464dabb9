"""Finding, starting and stopping a backend, with real processes."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.fakes.driven_app import driven
from tests.fakes.scripted_backend import KEY, ScriptedBackend
from tui.backend import Backend, Launch, default_home, find, reach
from tui.errors import BackendError, ClientError
from tui.link import Link, LinkState

SCRIPTED = (sys.executable, "-m", "tests.fakes.scripted_backend")


@pytest.fixture
async def started() -> AsyncIterator[list[Backend]]:
    """Backends to be taken down in any case."""
    backends: list[Backend] = []
    yield backends
    for backend in backends:
        if backend.process is not None and backend.process.poll() is None:
            backend.process.kill()
        if backend.process is not None:
            backend.process.wait()


def test_the_command_line_wins_over_the_environment(tmp_path: Path) -> None:
    environ = {"ATTUNE_HOME": str(tmp_path), "ATTUNE_URL": "http://there", "ATTUNE_KEY": "from-environment"}
    assert Launch.from_environment(environ) == Launch(tmp_path, "http://there", "from-environment")
    assert Launch.from_environment(environ, "http://here", "given") == Launch(tmp_path, "http://here", "given")
    assert Launch.from_environment({}).home == default_home()


def test_the_owner_key_is_sent_to_this_machine_only(tmp_path: Path) -> None:
    launch = Launch(tmp_path)
    assert launch.key_for("http://127.0.0.1:8300") is None
    (tmp_path / "owner.key").write_text("attune_owner\n", encoding="utf-8")
    assert launch.key_for("http://127.0.0.1:8300") == "attune_owner"
    assert launch.key_for("https://attune.example.org") is None
    assert Launch(tmp_path, key="mine").key_for("https://attune.example.org") == "mine"


async def test_a_running_backend_is_found_and_never_stopped(backend: ScriptedBackend, tmp_path: Path) -> None:
    (tmp_path / "backend.json").write_text(json.dumps({"url": backend.url, "pid": os.getpid()}), encoding="utf-8")
    found = await reach(Launch(tmp_path, command=("false",)), lambda _: None)
    assert found == Backend(backend.url)
    assert not found.ours
    found.ask_to_stop()
    assert await found.stopped()


@pytest.mark.parametrize(
    "noted", ["", "[]", "{}", '{"url": 3}', '{"url": "http://127.0.0.1:1", "pid": 1}', '{"url": "http://example.org"}']
)
async def test_a_note_that_leads_nowhere_is_no_backend(tmp_path: Path, noted: str) -> None:
    (tmp_path / "backend.json").write_text(noted, encoding="utf-8")
    assert await find(tmp_path) is None


async def test_a_backend_is_started_waited_for_and_stopped(tmp_path: Path, started: list[Backend]) -> None:
    states: list[LinkState] = []
    link = Link(Launch(tmp_path / "home", command=(*SCRIPTED, "--starting", "2")), states.append)
    client = await link.ready()
    assert link.backend is not None
    started.append(link.backend)
    assert link.backend.ours
    assert [state.text for state in states][:2] == ["starting the backend", "embedder: starting"]
    assert [state.kind for state in states[-1:]] == ["ready"]
    assert (await client.create_conversation()).id
    assert (tmp_path / "home").stat().st_mode & 0o777 == 0o700
    assert (tmp_path / "home" / "backend.log").stat().st_mode & 0o777 == 0o600
    await link.close()
    link.backend.ask_to_stop()
    assert await link.backend.stopped(20)
    assert json.loads((tmp_path / "home" / "told.json").read_text(encoding="utf-8")) == []


async def test_a_backend_that_dies_leaves_its_last_words(tmp_path: Path) -> None:
    (tmp_path / "backend.log").write_text("words of an earlier run\n", encoding="utf-8")
    with pytest.raises(BackendError, match="the configuration is wrong") as caught:
        await reach(Launch(tmp_path, command=(*SCRIPTED, "--die", "the configuration is wrong")), lambda _: None)
    assert "code 1" in caught.value.message
    assert "earlier run" not in caught.value.message


async def test_a_command_that_is_not_there_is_an_error_with_the_repair(tmp_path: Path) -> None:
    with pytest.raises(BackendError, match="attune serve"):
        await reach(Launch(tmp_path, command=("/no/such/command",)), lambda _: None)


async def test_a_home_that_cannot_be_is_an_error_with_the_repair(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("", encoding="utf-8")
    with pytest.raises(BackendError, match="file"):
        await reach(Launch(tmp_path / "file" / "home", command=SCRIPTED), lambda _: None)


async def test_a_named_backend_that_is_not_there_is_not_started(tmp_path: Path) -> None:
    with pytest.raises(ClientError, match="attune serve"):
        await reach(Launch(tmp_path, url="http://127.0.0.1:1", command=SCRIPTED), lambda _: None)
    assert not (tmp_path / "backend.log").exists()


async def test_a_slow_backend_is_not_killed(tmp_path: Path, started: list[Backend]) -> None:
    backend = await reach(Launch(tmp_path, command=(*SCRIPTED, "--linger", "60")), lambda _: None)
    started.append(backend)
    backend.ask_to_stop()
    assert not await backend.stopped(0.2)
    assert backend.ours


async def test_the_next_need_reaches_again_after_a_failure(backend: ScriptedBackend, tmp_path: Path) -> None:
    states: list[LinkState] = []
    link = Link(Launch(tmp_path, key=KEY, command=(*SCRIPTED, "--die", "not now")), states.append)
    with pytest.raises(BackendError):
        await link.ready()
    assert [state.kind for state in states[-1:]] == ["lost"]
    (tmp_path / "backend.json").write_text(json.dumps({"url": backend.url}), encoding="utf-8")
    await link.ready()
    assert [state.kind for state in states[-1:]] == ["ready"]
    await link.close()


async def test_quitting_the_app_lets_its_own_backend_finish(tmp_path: Path, started: list[Backend]) -> None:
    async with driven(Launch(tmp_path, command=(*SCRIPTED, "--linger", "0.3"))) as chat:
        await chat.say("remember me")
        backend = chat.app.link.backend
        assert backend is not None
        started.append(backend)
        await chat.pilot.press("ctrl+q")
        await chat.until(lambda: "Finishing what you told me" in chat.line("#farewell"), "the farewell")
        assert await backend.stopped(20)
    assert not backend.ours
    assert json.loads((tmp_path / "told.json").read_text(encoding="utf-8")) == ["remember me"]
    assert chat.app.return_value is None


async def test_quitting_twice_leaves_at_once_and_says_so(tmp_path: Path, started: list[Backend]) -> None:
    async with driven(Launch(tmp_path, command=(*SCRIPTED, "--linger", "60"))) as chat:
        await chat.say("remember me")
        assert chat.app.link.backend is not None
        started.append(chat.app.link.backend)
        await chat.pilot.press("ctrl+q")
        await chat.until(lambda: bool(chat.app.screen.query("#farewell")), "the farewell")
        await chat.pilot.press("ctrl+q")
    assert "still finishing" in (chat.app.return_value or "")
    assert chat.app.link.backend.ours


@pytest.mark.skipif(sys.platform == "win32", reason="signals")
def test_a_plain_client_that_is_told_to_leave_takes_its_backend_along(tmp_path: Path) -> None:
    program = (
        "import sys; from pathlib import Path; from tui.backend import Launch; from tui.plain import Plain;"
        f"sys.exit(Plain(Launch(Path({str(tmp_path)!r}), command={SCRIPTED!r}), interactive=False).run(None))"
    )
    client = subprocess.Popen(
        [sys.executable, "-c", program],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert client.stdin is not None
    assert client.stdout is not None
    client.stdin.write("hello\n")
    client.stdin.flush()
    assert client.stdout.readline() == "Attune: You said: hello\n"
    client.send_signal(signal.SIGTERM)
    client.communicate(timeout=30)
    assert client.returncode == 128 + signal.SIGTERM
    assert json.loads((tmp_path / "told.json").read_text(encoding="utf-8")) == ["hello"]
