from __future__ import annotations

import pytest

from training.example import TRAITS, Level, Trait
from training.personaemp.big_five import Agreement, believed, settled
from training.personaemp.record import Posterior, Record


def record(**traits: Posterior) -> Record:
    known: dict[Trait, Posterior] = {trait: traits[trait] for trait in TRAITS if trait in traits}
    return Record("p", "ledger", "p", (), traits=known)


@pytest.mark.parametrize(
    ("posterior", "level"),
    [
        (Posterior(50.0, 10.0, 0, None), None),
        (Posterior(52.0, 9.97, 1, None), None),
        (Posterior(52.0, 9.5, 4, None), "high"),
        (Posterior(48.0, 9.5, 4, None), "low"),
        (Posterior(50.5, 9.5, 4, None), "medium"),
        (Posterior(52.0, 5.0, 90, None), "medium"),
        (Posterior(45.0, 5.0, 90, "low"), "low"),
    ],
)
def test_a_belief_is_a_level_among_people_known_about_as_well(posterior: Posterior, level: Level | None) -> None:
    assert believed(posterior) == level


def test_beliefs_count_before_a_models_judgement_and_their_agreement_is_told() -> None:
    judged: dict[Trait, Level] = dict.fromkeys(TRAITS, "medium")
    calm, upset = Posterior(40.0, 9.0, 5, None), Posterior(60.0, 9.0, 5, None)
    agreement = Agreement()
    for belief in (calm, upset):
        agreement.add(record(neuroticism=belief), {**judged, "neuroticism": "low"})
    assert settled(record(neuroticism=upset), judged) == {**judged, "neuroticism": "high"}
    assert agreement.table() == {"neuroticism": {"people": 2, "equal": 0.5, "kappa": 0.0}}
