from dataclasses import replace
from datetime import timedelta
from typing import Literal

from memory.persona.history import POINTS, QUOTES, history, strongest
from memory.persona.posterior import Posterior
from memory.types import Evidence, Trait, TraitEvidence
from tests.fakes.evidence import NOON, trait_evidence

N = Trait.NEUROTICISM
DAILY = [
    trait_evidence(f"ev_{day}", observed_at=NOON + timedelta(days=day), conversation_id=f"c{day}") for day in range(40)
]


def test_the_last_point_is_what_is_believed_now() -> None:
    points = history(DAILY, N)
    assert len(points) == POINTS
    day, estimate = points[-1]
    assert estimate == Posterior(DAILY).estimate(N, day)
    assert [at for at, _ in points] == sorted(at for at, _ in points)
    assert points[0][1].evidence_count == 1


def test_without_evidence_there_is_no_history() -> None:
    assert history([], N) == ()
    assert history(DAILY, Trait.OPENNESS) == ()
    assert strongest([], N, NOON) == ()


def test_what_was_said_after_freezing_is_in_neither() -> None:
    frozen = NOON + timedelta(days=3)
    points = history(DAILY, N, frozen=frozen)
    assert points[-1][1].evidence_count == 4
    assert points[-1][1].frozen
    later = trait_evidence("loud", strength=1.0, observed_at=NOON + timedelta(days=9))
    assert later not in strongest([*DAILY, later], N, NOON, frozen=frozen)


def quoted(id: str, direction: Literal[-1, 1], strength: float) -> TraitEvidence:
    one = trait_evidence(id, direction=direction, strength=strength)
    return replace(one, evidence=Evidence("msg_1", f"words of {id}"))


def test_the_clearest_words_come_first_and_contradiction_is_shown() -> None:
    for_it = [quoted(f"for{place}", 1, 0.1 * place) for place in range(1, 10)]
    against = [quoted(f"against{place}", -1, 0.05 * place) for place in range(1, 4)]
    found = strongest([*for_it, *against], N, NOON)
    assert [one.id for one in found] == ["for9", "for8", "for7", "against3", "against2"]
    assert len(strongest(for_it, N, NOON)) == QUOTES
