import numpy as np

from memory.config import RecallConfig
from memory.embedder import Vectors
from memory.selection import Candidate, score
from tests.fakes.embedding import shared_embedder

FACTS = (
    "Prefers helpful suggestions that fit what they usually like",
    "Wants a clear plan and simple explanations",
    "Dislikes chocolate because of its calories",
    "Plays the cello in an amateur orchestra",
)
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
