"""The plain mode as a process of its own, with pipes, and with a terminal where it asks for one."""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import json
import os
import signal
import sys
from asyncio.subprocess import Process
from codecs import getincrementaldecoder
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from assistant import wire
from tests.fakes.gate import Gate
from tests.fakes.scripted_backend import CARD, KEY, Cut, Refusal, ScriptedBackend
from tests.fakes.scripted_person import lively

PATIENCE_S = 120.0


@dataclass(frozen=True, slots=True)
class Said:
    """What a run of the client printed."""

    code: int
    out: str
    err: str


Run = Callable[..., Awaitable[Said]]


@pytest.fixture
def run(backend: ScriptedBackend, tmp_path: Path) -> Run:
    async def run_client(*arguments: str, say: str = "", key: str = KEY, url: str | None = None) -> Said:
        environ = {**os.environ, "ATTUNE_HOME": str(tmp_path), "ATTUNE_KEY": key, "ATTUNE_URL": url or backend.url}
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "tui", *arguments, stdin=-1, stdout=-1, stderr=-1, env=environ
        )
        out, err = await asyncio.wait_for(process.communicate(say.encode("utf-8", "surrogateescape")), PATIENCE_S)
        assert process.returncode is not None
        return Said(process.returncode, out.decode(), err.decode())

    return run_client


async def test_a_line_from_a_pipe_is_answered(run: Run) -> None:
    assert await run(say="hello\n") == Said(0, "Attune: You said: hello\n", "")


async def test_each_line_is_a_message_of_one_conversation(backend: ScriptedBackend, run: Run) -> None:
    said = await run(say="one\n\ntwo")
    assert said == Said(0, "Attune: You said: one\nAttune: You said: two\n", "")
    assert len(backend.conversations) == 1


async def test_a_text_on_the_command_line_is_one_message(backend: ScriptedBackend, run: Run) -> None:
    backend.say("two lines,\n", "two lines back")
    assert await run("-p", "first\nsecond") == Said(0, "Attune: two lines,\ntwo lines back\n", "")
    assert [message.content for message in backend.sent] == ["first\nsecond"]


async def test_a_dash_reads_the_whole_input_as_one_message(backend: ScriptedBackend, run: Run) -> None:
    assert (await run("-p", "-", say="first\nsecond")).code == 0
    assert [message.content for message in backend.sent] == ["first\nsecond"]


async def test_notices_go_beside_the_reply(backend: ScriptedBackend, run: Run) -> None:
    notice = wire.Notice(code="builtin", text="The builtin responder answers.")
    backend.say(notice, "a")
    backend.say(notice, "b")
    said = await run(say="one\ntwo\n")
    assert said == Said(0, "Attune: a\nAttune: b\n", "— The builtin responder answers.\n")


async def test_a_crisis_card_is_printed_as_lines(backend: ScriptedBackend, run: Run) -> None:
    backend.say(wire.Safety(level="high", resources=CARD), "I am glad you told me.")
    said = await run(say="I want to die\n")
    assert said.out.splitlines() == [
        f"— {CARD.message}",
        "—   Emergency: call 911",
        "—   988 Suicide & Crisis Lifeline: call 988 · text 988 · chat https://988lifeline.org (24/7, en/es)",
        "Attune: I am glad you told me.",
    ]


async def test_a_retraction_is_said_because_print_cannot_be_taken_back(backend: ScriptedBackend, run: Run) -> None:
    backend.say("harmful", wire.MessageRetracted(message_id="m", reason="unsafe", replacement="Something safer."))
    said = await run(say="hm\n")
    assert said.out == "Attune: harmful\n— The answer above is withdrawn. Instead:\nAttune: Something safer.\n"


async def test_what_begins_with_a_slash_is_a_command(backend: ScriptedBackend, run: Run) -> None:
    backend.converse("Rain in Bergen")
    fact = backend.remember("Ada has a dog.", "my dog")
    forget = f"/forget {fact.id} --dry-run\n/forget {fact.id}\n"
    said = await run(say=f"/help\n/list\n/memories\n{forget}/memories\none\n/new\ntwo\n/quit\nnever\n")
    assert said.code == 0
    assert "/forget ID" in said.out
    assert "2026-01-05 12:00  Rain in Bergen\n" in said.out
    assert f"{fact.id}  Ada has a dog.  “my dog”\n" in said.out
    assert said.err.splitlines() == [
        f"— would be forgotten: {fact.id}; nothing is yet",
        f"— forgotten, for good: {fact.id}",
        "— nothing yet",
        "— a new conversation",
    ]
    assert [message.content for message in backend.sent] == ["one", "two"]
    assert len(backend.conversations) == 3


async def test_last_goes_on_to_another_one_where_the_one_before_is_open(backend: ScriptedBackend, run: Run) -> None:
    said = await run(say="one\n/new\ntwo\n/incognito\nbetween us\n/last\n/last\n")
    assert said.code == 0, said.err
    assert said.out.splitlines()[-4:] == ["You: two", "Attune: You said: two", "You: one", "Attune: You said: one"]


async def test_a_path_is_a_message_and_not_a_command(backend: ScriptedBackend, run: Run) -> None:
    await run(say="/etc/hosts is a file\n")
    assert backend.sent[0].content == "/etc/hosts is a file"


async def test_a_mistyped_command_is_not_said_to_anybody(backend: ScriptedBackend, run: Run) -> None:
    said = await run(say="/memorie\n /shrug\n")
    assert "did you mean /memories?" in said.err
    assert [message.content for message in backend.sent] == [" /shrug"]


@pytest.mark.parametrize(
    ("refusal", "words"),
    [
        (Refusal(429, "rate_limited", "too many messages", retry_after=3), "try again in 3 s"),
        (Refusal(503, "model_unavailable", "the model does not answer"), "the model does not answer"),
    ],
)
async def test_an_error_is_printed_and_the_rest_goes_on(
    backend: ScriptedBackend, run: Run, refusal: Refusal, words: str
) -> None:
    backend.refusals.append(refusal)
    said = await run(say="one\ntwo\n")
    assert said.code == 1
    assert said.out == "Attune: You said: two\n"
    assert words in said.err


async def test_a_wrong_key_says_how_to_give_one(run: Run) -> None:
    said = await run(say="one\n", key="attune_wrong")
    assert (said.code, said.out) == (1, "")
    assert "--key or ATTUNE_KEY" in said.err


async def test_a_cut_reply_is_kept_and_the_error_printed(backend: ScriptedBackend, run: Run) -> None:
    backend.say("as far as", Cut())
    said = await run(say="one\n")
    assert (said.code, said.out) == (1, "Attune: as far as\n")
    assert "lost" in said.err


async def test_nobody_at_the_address_is_one_line_and_no_traceback(run: Run) -> None:
    said = await run(say="one\n", url="http://127.0.0.1:1")
    assert said.code == 1
    assert said.err.splitlines()[-1].startswith("— nothing answers at http://127.0.0.1:1")
    assert "Traceback" not in said.err


async def test_bytes_that_are_no_text_do_not_end_it(backend: ScriptedBackend, run: Run) -> None:
    assert (await run(say="caf\udce9\n")).code == 0
    assert backend.sent[0].content == "caf\ufffd"


async def test_nothing_in_is_nothing_out(run: Run) -> None:
    assert await run(say="") == Said(0, "", "")


async def test_help_teaches(run: Run) -> None:
    said = await run("--help")
    assert said.code == 0
    for word in ("ATTUNE_HOME", "--plain", "echo", "Ctrl+Q"):
        assert word in said.out


async def test_a_reader_that_leaves_is_no_traceback(backend: ScriptedBackend, tmp_path: Path) -> None:
    backend.say(*["a line\n"] * 500)
    environ = {**os.environ, "ATTUNE_HOME": str(tmp_path), "ATTUNE_KEY": KEY, "ATTUNE_URL": backend.url}
    command = f"echo hello | {sys.executable} -m tui | head -n 1"
    process = await asyncio.create_subprocess_shell(command, stdout=-1, stderr=-1, env=environ)
    out, err = await asyncio.wait_for(process.communicate(), PATIENCE_S)
    assert out == b"Attune: a line\n"
    assert err == b""


@pytest.mark.skipif(sys.platform == "win32", reason="pseudo-terminals")
async def test_at_a_terminal_it_asks_and_ctrl_c_stops_the_reply_only(backend: ScriptedBackend, tmp_path: Path) -> None:
    backend.say("There was once ", Gate())
    async with at_a_terminal(backend, tmp_path) as (process, seen):
        await seen.until("You: ")
        seen.type("a story\n")
        await seen.until("Attune: There was once ")
        process.send_signal(signal.SIGINT)
        await seen.until("— stopped")
        await seen.until("You: ")
        seen.type("and now\n")
        await seen.until("Attune: You said: and now")
        await seen.until("You: ")
        seen.type("/quit\n")
        assert await asyncio.wait_for(process.wait(), PATIENCE_S) == 0
    assert len(backend.cancelled) == 1


@pytest.mark.skipif(sys.platform != "linux", reason="signals to one thread")
async def test_ctrl_c_stops_the_reply_also_where_another_thread_gets_the_signal(
    backend: ScriptedBackend, tmp_path: Path
) -> None:
    backend.say("There was once ", Gate())
    async with at_a_terminal(backend, tmp_path) as (process, seen):
        await seen.until("You: ")
        seen.type("a story\n")
        await seen.until("Attune: There was once ")
        others = [int(thread) for thread in os.listdir(f"/proc/{process.pid}/task") if int(thread) != process.pid]
        assert others, "HTTP is imported in a thread"
        assert ctypes.CDLL(None).tgkill(process.pid, others[0], signal.SIGINT.value) == 0
        await seen.until("— stopped")
        await seen.until("You: ")


@contextlib.asynccontextmanager
async def at_a_terminal(backend: ScriptedBackend, home: Path) -> AsyncIterator[tuple[Process, Terminal]]:
    """The plain mode on a pseudo-terminal."""
    environ = {**os.environ, "ATTUNE_HOME": str(home), "ATTUNE_KEY": KEY, "ATTUNE_URL": backend.url, "TERM": "dumb"}
    ours, theirs = os.openpty()
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tui", "--plain", stdin=theirs, stdout=theirs, stderr=theirs, env=environ
    )
    os.close(theirs)
    seen = Terminal(ours)
    try:
        yield process, seen
    finally:
        seen.close()
        os.close(ours)
        if process.returncode is None:
            process.kill()
            await process.wait()


class Terminal:
    """Reads what appears on a pseudo-terminal."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._decoder = getincrementaldecoder("utf-8")()
        self._text = ""
        self._grown = asyncio.Event()
        asyncio.get_running_loop().add_reader(descriptor, self._read)

    async def until(self, words: str) -> None:
        """Wait for these words, and take everything up to them away."""
        try:
            async with asyncio.timeout(PATIENCE_S):
                while words not in self._text:
                    self._grown.clear()
                    await self._grown.wait()
        except TimeoutError:
            raise AssertionError(f"{words!r} did not come after {self._text!r}") from None
        self._text = self._text.split(words, 1)[1]

    def type(self, text: str) -> None:
        """Write as somebody at the keyboard does."""
        os.write(self._descriptor, text.encode())

    def close(self) -> None:
        """Stop reading."""
        asyncio.get_running_loop().remove_reader(self._descriptor)

    def _read(self) -> None:
        try:
            self._text += self._decoder.decode(os.read(self._descriptor, 4096))
        except OSError:
            self.close()
        self._grown.set()


async def test_a_backend_is_started_for_one_line_and_drained(tmp_path: Path) -> None:
    program = (
        "import sys; from pathlib import Path; from tui.backend import Launch; from tui.plain import Plain;"
        "command = (sys.executable, '-m', 'tests.fakes.scripted_backend', '--linger', '0.2');"
        f"sys.exit(Plain(Launch(Path({str(tmp_path)!r}), command=command), interactive=False).run(None))"
    )
    process = await asyncio.create_subprocess_exec(sys.executable, "-c", program, stdin=-1, stdout=-1, stderr=-1)
    out, err = await asyncio.wait_for(process.communicate(b"hello\n"), PATIENCE_S)
    assert (process.returncode, out) == (0, b"Attune: You said: hello\n")
    assert err.decode().splitlines() == ["— starting the backend", "— finishing what you told me…"]
    assert json.loads((tmp_path / "told.json").read_text(encoding="utf-8")) == ["hello"]


async def test_everything_is_a_command(backend: ScriptedBackend, run: Run, tmp_path: Path) -> None:
    backend.person.traits = lively()
    fact = backend.remember("Ada has a dog.", "my dog")
    (tmp_path / "old.json").write_text("[]", encoding="utf-8")
    lines = [
        "hello",
        "/why",
        "/good kind",
        "/bad too long",
        "/edit hello again",
        "/regenerate",
        "/rename First words",
        f"/export {tmp_path / 'first.md'}",
        f"/correct {fact.id} Ada has two dogs.",
        "/remember I swim",
        "/persona",
        "/trait openness high",
        "/trait openness freeze",
        "/trait neuroticism delete",
        "/settings",
        "/set country AT",
        "/set training on",
        "/resources",
        f"/import chatgpt {tmp_path / 'old.json'}",
        f"/export-all {tmp_path / 'all.zip'}",
        "/list hello",
        "/open 1",
        "/archive 1",
        "/archive 1",
        "/archive",
        "/incognito",
        "between us",
        "/last",
        "/delete 1",
    ]
    said = await run(say="\n".join(lines) + "\n")
    assert said.code == 0, said.err
    for words in (
        "Answered by scripted.",
        "conscientiousness: high, 62% likely",
        "openness: high, 95% likely",
        "training: off",
        "988 Suicide & Crisis Lifeline",
    ):
        assert words in said.out
    for words in (
        "it is called First words",
        "country: AT",
        "2 conversations with 9 messages",
        "put away",
        "taken back",
    ):
        assert words in said.err
    assert [feedback.reason for feedback in backend.feedback.values()] == ["too long"]
    assert [text for _, text in backend.edited] == ["hello again"]
    assert backend.person.trait("openness").frozen
    assert backend.person.settings.training
    assert "hello again" in (tmp_path / "first.md").read_text(encoding="utf-8")
    assert (tmp_path / "all.zip").read_bytes() == b"PK everything"
    assert backend.conversations == {}


async def test_a_questionnaire_is_answered_line_by_line(backend: ScriptedBackend, run: Run) -> None:
    said = await run(say="/questionnaire 20\n" + "9\n" + "3\n" * 20)
    assert backend.person.handed_in == [{f"q{n}": 3 for n in range(1, 21)}]
    assert "20 of 20: I do thing number 20." in said.err
    assert "answer with a number from 1 to 5" in said.err
    assert "extraversion: high" in said.out


async def test_a_model_is_chosen_after_a_yes_where_text_would_leave(run: Run, backend: ScriptedBackend) -> None:
    said = await run(say="/models\n/use openai\n/use openai yes\n")
    assert "ollama/llama3.2  llama3.2 on a server on this machine" in said.out
    assert "What you write would leave this machine! " not in said.out.splitlines()[0]
    assert "Say /use openai yes if that is meant" in said.err
    assert [choice.agree for choice in backend.person.used] == [True]


async def test_a_command_that_cannot_be_done_says_how(run: Run) -> None:
    said = await run(say="/why\n/set mood good\n/trait mood high\n/open\n/import zip x\n")
    assert said.code == 1
    assert len(said.err.splitlines()) == 5
    assert "there is no setting 'mood'" in said.err
