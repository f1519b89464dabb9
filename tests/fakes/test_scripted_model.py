from __future__ import annotations

from contextlib import aclosing

import pytest
from hypothesis import given
from hypothesis import strategies as st

from assistant.errors import ModelUnreachableError
from assistant.models.door import Sampling, TextDelta
from tests.fakes.asking import answer, prompt
from tests.fakes.gate import Gate
from tests.fakes.scripted_model import ScriptedModel, words


@given(st.text())
def test_the_words_of_a_text_are_the_text(text: str) -> None:
    assert "".join(words(text)) == text


async def test_scripts_are_answered_in_turn_and_then_the_default() -> None:
    model = ScriptedModel("one", lambda messages: messages[-1]["content"], default="three")
    assert [await answer(model) for _ in range(3)] == ["one", prompt().messages[0]["content"], "three"]
    assert (model.finished, model.aborted) == (3, 0)


async def test_an_error_is_raised_where_it_stands() -> None:
    model = ScriptedModel(["Hel", ModelUnreachableError("gone")])
    stream = model.stream(prompt(), Sampling())
    assert await anext(stream) == TextDelta("Hel")
    with pytest.raises(ModelUnreachableError):
        await anext(stream)
    assert not model.was_aborted.is_set()


async def test_a_closed_stream_is_noticed() -> None:
    model = ScriptedModel(["Hel", Gate(), "lo"])
    async with aclosing(model.stream(prompt(), Sampling())) as stream:
        await anext(stream)
    await model.was_aborted.wait()
