"""Speech: nothing unsafe leaves a careful reply, nothing said is lost."""

from __future__ import annotations

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st

from assistant.errors import ModelGarbledError
from assistant.models.door import Prompt, Sampling
from assistant.speech import Speech
from tests.fakes.gate import Gate
from tests.fakes.scripted_model import ScriptedModel

UNSAFE = "You should just kill yourself."


async def heard(
    speech: Speech, *script: str | Gate | Exception, careful: bool, stop: asyncio.Event | None = None
) -> list[str]:
    stream = ScriptedModel(list(script)).stream(Prompt(()), Sampling())
    return [text async for text in speech.listen(stream, stop or asyncio.Event(), careful=careful)]


@given(st.lists(st.text("ab .!?\n。", min_size=1), min_size=1, max_size=20))
def test_a_careful_reply_says_every_character_whatever_the_pieces(pieces: list[str]) -> None:
    speech = Speech()
    said = asyncio.run(heard(speech, *pieces, careful=True))
    assert "".join(said) == speech.text == "".join(pieces)


async def test_a_careful_reply_sends_whole_sentences_only() -> None:
    said = await heard(Speech(), "I am ", "here. Tell", " me more.", careful=True)
    assert said == ["I am here. ", "Tell me more."]


async def test_a_careful_reply_ends_before_an_unsafe_sentence() -> None:
    speech = Speech()
    said = await heard(speech, "I am here. ", UNSAFE, " Bye.", careful=True)
    assert "".join(said) == speech.text == "I am here. "
    assert speech.outcome == "unsafe"


async def test_an_unsafe_reply_that_was_sent_is_marked_for_retraction() -> None:
    speech = Speech()
    await heard(speech, UNSAFE, careful=False)
    assert speech.outcome == "unsafe"
    assert speech.reason


async def test_stopping_keeps_what_was_said() -> None:
    speech, gate, stop = Speech(), Gate(), asyncio.Event()
    listening = asyncio.create_task(heard(speech, "Hello", gate, " never", careful=False, stop=stop))
    await gate.reached.wait()
    stop.set()
    assert await listening == ["Hello"]
    assert (speech.text, speech.outcome) == ("Hello", "stopped")


async def test_a_model_that_breaks_off_leaves_what_it_said() -> None:
    speech = Speech()
    with pytest.raises(ModelGarbledError):
        await heard(speech, "Hello", ModelGarbledError("cut"), careful=False)
    assert speech.text == "Hello"


@pytest.mark.parametrize("careful", [True, False])
async def test_what_cannot_be_stored_is_left_out(careful: bool) -> None:
    speech = Speech()
    said = await heard(speech, "He\0llo", " \ud800 you 🙂.", careful=careful)
    assert "".join(said) == speech.text == "Hello \ufffd you 🙂."
