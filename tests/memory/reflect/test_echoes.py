import tomllib
from dataclasses import replace
from pathlib import Path

import pytest

from memory.reflect.reflect import reflect
from tests.fakes.turns import person, reply

CASES = tomllib.loads(Path(__file__).with_name("echoes.toml").read_text("utf-8"))
RECALLING = replace(
    reply("This is what I know: I live in Ghent. My dog is called Biscuit."), explanation={"fact_ids": ["fact_1"]}
)


async def learnt(*turns: object, **rest: object) -> tuple[list[str], dict[str, int]]:
    reflection = await reflect(list(turns), [], None, **rest)  # type: ignore[arg-type]
    return [fact.text for fact in reflection.facts], dict(reflection.dropped)


async def test_recalled_text_that_comes_back_is_not_learnt_again() -> None:
    back = person("I live in Ghent. My dog is called Biscuit. I work as a nurse.", "m2")
    assert await learnt(RECALLING, back) == (["I work as a nurse."], {"recalled before": 2})
    assert await learnt(back, earlier=[RECALLING]) == (["I work as a nurse."], {"recalled before": 2})


async def test_what_was_said_before_the_reply_is_learnt() -> None:
    said = person("I live in Ghent. My dog is called Biscuit.")
    assert (await learnt(said, RECALLING))[0] == ["I live in Ghent.", "My dog is called Biscuit."]


async def test_a_reply_without_recalled_facts_echoes_nothing() -> None:
    plain = replace(RECALLING, explanation={"fact_ids": []})
    assert await learnt(plain, person("I live in Ghent.", "m2")) == (["I live in Ghent."], {})


async def test_words_of_a_reply_in_another_statement_are_learnt() -> None:
    assert (await learnt(RECALLING, person("I moved away from Ghent.", "m2")))[0] == ["I moved away from Ghent."]


@pytest.mark.parametrize("back", CASES["back"])
async def test_however_recalled_text_comes_back_it_is_not_learnt(back: str) -> None:
    recalling = replace(RECALLING, text=CASES["recalled"])
    assert (await learnt(recalling, person(back, "m2")))[0] == []


@pytest.mark.parametrize("new", CASES["new"])
async def test_what_is_new_beside_recalled_text_is_learnt(new: str) -> None:
    recalling = replace(RECALLING, text=CASES["recalled"])
    assert (await learnt(recalling, person(new, "m2")))[0] == [new]
