from dataclasses import replace
from datetime import UTC, datetime, timedelta

import numpy as np

from memory.config import RecallConfig
from memory.embedder import Vectors
from memory.selection import Candidate, Scored, choose, score
from memory.types import Fact, Kind
from tests.fakes.embedding import shared_embedder
from tests.fakes.facts import fact

FACTS = (
    "Prefers helpful suggestions that fit what they usually like",
    "Wants a clear plan and simple explanations",
    "Dislikes chocolate because of its calories",
    "Plays the cello in an amateur orchestra",
)
SERVED = RecallConfig()
MESSAGE = "I want something small to go with my coffee that fits what I usually like; which sweet treat should I avoid?"


async def ranked(message: str, config: RecallConfig) -> list[str]:
    await shared_embedder().ready()
    vectors = await shared_embedder().embed(FACTS)

    async def near(vector: Vectors) -> list[Candidate]:
        cosines = vectors @ vector
        return [Candidate(str(place), FACTS[place], vectors[place]) for place in np.argsort(-cosines, kind="stable")]

    return [one.candidate.text for one in await score(message, near, shared_embedder(), config)]


async def test_what_is_near_to_every_request_ranks_below_what_is_near_to_this_one() -> None:
    assert (await ranked(MESSAGE, RecallConfig(min_score=-1)))[0] == FACTS[2]


async def test_without_a_least_score_nothing_is_left_out() -> None:
    assert sorted(await ranked(MESSAGE, RecallConfig(min_score=-1))) == sorted(FACTS)
    assert len(await ranked(MESSAGE, RecallConfig())) < len(FACTS)


async def test_everyday_requests_are_unit_vectors_made_while_loading() -> None:
    await shared_embedder().ready()
    everyday = shared_embedder().everyday
    assert everyday.shape[0] >= 20
    assert np.allclose(np.linalg.norm(everyday, axis=1), 1, atol=1e-5)


def chosen(*ranked: tuple[Fact, float], config: RecallConfig = SERVED) -> list[str]:
    """The order of facts that are as far from each other as can be, by their rank."""
    scored = [
        Scored(Candidate(one.id, one.text, np.eye(len(ranked), dtype=np.float32)[place]), 0.5, rank)
        for place, (one, rank) in enumerate(ranked)
    ]
    facts = {one.id: one for one, _ in ranked}
    return [found.fact.text for found in choose(scored, facts, frozenset(), 400, config)]


def test_of_facts_that_belong_alike_kinds_that_are_often_meant_come_first() -> None:
    curious, likes = (fact("ada", text) for text in ("Curious about tides", "Likes to sail"))
    curious, likes = replace(curious, kind=Kind.OPINION), replace(likes, kind=Kind.PREFERENCE)
    assert chosen((curious, 0.31), (likes, 0.30)) == [likes.text, curious.text]
    assert chosen((curious, 0.36), (likes, 0.30)) == [curious.text, likes.text]
    even = RecallConfig(kind_weight=0, recency_weight=0)
    assert chosen((curious, 0.31), (likes, 0.30), config=even) == [curious.text, likes.text]


def test_of_facts_that_belong_alike_the_newer_comes_first_and_no_clock_tells() -> None:
    now = datetime(2020, 1, 1, tzinfo=UTC)
    new, old = fact("ada", "Rents in Porto"), fact("ada", "Rented in Leeds")
    for years in (0, 30):
        today = now + timedelta(days=365 * years)
        new, old = replace(new, valid_from=today), replace(old, valid_from=today - timedelta(days=720))
        assert chosen((old, 0.31), (new, 0.30)) == [new.text, old.text]
        assert chosen((old, 0.34), (new, 0.30)) == [old.text, new.text]
