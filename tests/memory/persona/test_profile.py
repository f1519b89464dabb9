from datetime import timedelta

from hypothesis import given
from hypothesis import strategies as st

from memory.persona.posterior import PRIOR_MEAN, PRIOR_SD
from memory.persona.profile import persona
from memory.types import Trait
from tests.fakes.evidence import NOON, trait_evidence

N = Trait.NEUROTICISM
EVIDENCE = [trait_evidence(f"ev_{i}", message_id=f"msg_{i}", conversation_id=f"con_{i % 2}") for i in range(6)]


def test_a_persona_has_all_five_traits_and_knows_nothing_at_first() -> None:
    nobody = persona([], NOON)
    assert list(nobody.estimates) == list(Trait)
    assert {(e.mean, e.sd, e.evidence_count) for e in nobody.estimates.values()} == {(PRIOR_MEAN, PRIOR_SD, 0)}


@given(st.permutations(EVIDENCE))
def test_the_order_of_the_evidence_does_not_matter(evidence: list) -> None:  # type: ignore[type-arg]
    assert persona(evidence, NOON) == persona(EVIDENCE, NOON)


def test_the_version_changes_with_the_evidence_and_comes_back_with_it() -> None:
    versions = {persona(EVIDENCE[:count], NOON).version for count in range(7)}
    assert len(versions) == 7
    assert persona(EVIDENCE[:3], NOON).version in versions


def test_estimates_and_version_stay_the_same_within_a_day() -> None:
    assert persona(EVIDENCE, NOON) == persona(EVIDENCE, NOON + timedelta(hours=11))
    assert persona(EVIDENCE, NOON).version != persona(EVIDENCE, NOON + timedelta(days=1)).version
    assert persona([], NOON).version == persona([], NOON + timedelta(days=1)).version


def test_a_frozen_trait_stands_still_while_others_move() -> None:
    before = persona(EVIDENCE, NOON)
    later = NOON + timedelta(days=400)
    new = [
        trait_evidence(f"new_{trait}", trait=trait, strength=1.0, conversation_id="con_9", observed_at=later)
        for trait in (N, Trait.OPENNESS)
    ]
    after = persona([*EVIDENCE, *new], later, frozen={N: NOON})
    assert after.estimates[N].frozen
    assert (after.estimates[N].mean, after.estimates[N].sd) == (before.estimates[N].mean, before.estimates[N].sd)
    assert not after.estimates[Trait.OPENNESS].frozen
    assert after.estimates[Trait.OPENNESS].mean > 50


def test_the_persons_own_word_moves_a_frozen_trait() -> None:
    told = trait_evidence("told", direction=-1, strength=0.5, source="correction", observed_at=NOON + timedelta(days=5))
    corrected = persona([*EVIDENCE, told], NOON + timedelta(days=9), frozen={N: NOON})
    assert corrected.estimates[N].mean < 40
    assert corrected.estimates[N].frozen


def test_forgetting_withdraws_evidence_from_a_frozen_trait_too() -> None:
    frozen = {N: NOON}
    assert persona(EVIDENCE[:2], NOON, frozen=frozen).estimates[N].evidence_count == 2
    assert persona(EVIDENCE[:2], NOON, frozen=frozen).estimates[N].mean < persona(EVIDENCE, NOON).estimates[N].mean
