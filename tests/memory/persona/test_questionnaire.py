from collections import Counter
from datetime import UTC, datetime

import pytest

from memory.persona.posterior import Posterior, encode
from memory.persona.questionnaire import Form, form, instructions, reliability, scale, t_scores
from memory.types import Trait
from tests.fakes.evidence import NOON, trait_evidence

FORMS = [form(20), form(50)]


def answered(asked: Form, **levels: int) -> dict[str, int]:
    """Answers of somebody who is as said, and in the middle where nothing is said."""
    return {
        question.id: (level if question.key > 0 else 6 - level)
        for question in asked.questions
        for level in [levels.get(question.trait.value, 3)]
    }


def test_the_forms_ask_equally_of_every_trait() -> None:
    assert set(Counter(question.trait for question in form(20).questions).values()) == {4}
    assert set(Counter(question.trait for question in form(50).questions).values()) == {10}
    assert set(form(20).questions) <= set(form(50).questions)
    assert len({question.id for question in form(50).questions}) == 50


def test_the_keys_are_those_published() -> None:
    turned = [question for question in form(20).questions if question.key < 0]
    # The eleven of the Mini-IPIP that are reversed, and two each for all traits but openness, which has three.
    assert Counter(question.trait for question in turned) == {trait: 3 if trait == "openness" else 2 for trait in Trait}
    keyed = Counter(question.trait for question in form(50).questions if question.key > 0)
    assert keyed == {"extraversion": 5, "agreeableness": 6, "conscientiousness": 6, "neuroticism": 8, "openness": 7}


@pytest.mark.parametrize("asked", FORMS, ids=lambda one: one.name)
@pytest.mark.parametrize("trait", list(Trait))
def test_agreeing_with_a_trait_raises_its_score_and_no_other(asked: Form, trait: Trait) -> None:
    middle, high, low = (t_scores(asked, answered(asked, **{trait.value: level})) for level in (3, 5, 1))
    assert low[trait] < middle[trait] < high[trait]
    assert all(high[other] == middle[other] for other in Trait if other != trait)


def test_an_average_person_is_at_fifty() -> None:
    answers = {question.id: 3 for question in form(50).questions}
    scores = t_scores(form(50), answers)
    assert scores[Trait.EXTRAVERSION] == pytest.approx(50 - 1.7 / 0.651)
    assert scores[Trait.NEUROTICISM] > 50


def test_answers_must_be_complete_and_on_the_scale() -> None:
    answers = answered(form(20))
    with pytest.raises(ValueError, match=r"missing or unknown: \['q1'\]"):
        t_scores(form(20), {id: value for id, value in answers.items() if id != "q1"})
    with pytest.raises(ValueError, match=r"missing or unknown: \['q99'\]"):
        t_scores(form(20), {**answers, "q99": 3})
    with pytest.raises(ValueError, match=r"outside: \['q1'\]"):
        t_scores(form(20), {**answers, "q1": 6})


def test_the_longer_form_narrows_more() -> None:
    def sd(name: str) -> float:
        told = trait_evidence(source="questionnaire", item=name)
        return Posterior([told]).estimate(Trait.NEUROTICISM, NOON).sd

    assert sd("ipip-50") < sd("mini-ipip-20") < 10
    assert sd("mini-ipip-20") == pytest.approx(10 * (1 - 0.68) ** 0.5)
    assert all(0.6 < reliability(asked.name, trait) < 0.9 for asked in FORMS for trait in Trait)  # type: ignore[operator]
    assert reliability("unknown", Trait.OPENNESS) is None


def test_a_very_high_answer_is_shrunken_by_the_reliability_once() -> None:
    scores = t_scores(form(20), answered(form(20), extraversion=4))
    direction, strength = encode(scores[Trait.EXTRAVERSION])
    told = trait_evidence(
        trait=Trait.EXTRAVERSION, direction=direction, strength=strength, source="questionnaire", item="mini-ipip-20"
    )
    mean = Posterior([told]).estimate(Trait.EXTRAVERSION, datetime(2026, 6, 1, tzinfo=UTC)).mean
    assert mean == pytest.approx(50 + 0.77 * 10 * (4 - 3.17) / 0.651, abs=1e-6)


def test_the_words_are_there() -> None:
    assert len(scale()) == 5
    assert "no diagnosis" in instructions()
    assert all(question.text.startswith("I ") for question in form(50).questions)
