import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from assistant.safety.screen import Screen, screen
from assistant.support import ELICIT_EVERY, Category, SupportPlan, deviations, may_elicit, plan
from memory.types import Persona, Trait, TraitEstimate

NEUTRAL = Screen()


def persona(**means: float) -> Persona:
    return Persona({Trait(name): TraitEstimate(Trait(name), mean, 6.0) for name, mean in means.items()}, "v1")


def planned(message: str, **means: float) -> SupportPlan:
    return plan(message, persona(**means) if means else None, NEUTRAL)


@pytest.mark.parametrize(
    ("message", "category"),
    [
        ("I got fired today and I feel awful", "emotional_support"),
        ("My grandmother passed away on Sunday", "emotional_support"),
        ("I'm so lonely since I moved here", "emotional_support"),
        ("Estoy muy triste hoy", "emotional_support"),
        ("Ich bin so einsam", "emotional_support"),
        ("今日はとても疲れた", "emotional_support"),
        ("我最近很焦虑", "emotional_support"),
        ("My boss yelled at me and took credit for my work", "high_eq_interaction"),
        ("I had an argument with my brother about money", "high_eq_interaction"),
        ("How do I tell my mom that I'm moving out?", "social_strategy"),
        ("What should I say to my coworker who keeps interrupting?", "social_strategy"),
        ("Should I text him first?", "social_strategy"),
        ("We had pasta and watched a movie", "everyday"),
        ("What is the capital of France?", "everyday"),
        ("hello", "everyday"),
    ],
)
def test_a_message_has_a_category(message: str, category: Category) -> None:
    assert planned(message).category == category


def test_feelings_are_met_before_advice() -> None:
    strategies = planned("I feel awful, what should I do?").strategies
    assert strategies.index("reflection_of_feelings") < strategies.index("providing_suggestions")


def test_advice_that_is_not_asked_for_is_not_given_to_a_hurting_person() -> None:
    assert "providing_suggestions" not in planned("I feel so sad and alone").strategies


def test_who_only_wants_to_be_heard_gets_no_advice() -> None:
    found = planned("I just need to vent about my boss, no advice please. He yelled at me again. What should I do?!")
    assert "providing_suggestions" not in found.strategies
    assert "advice" in found.avoid


def test_good_news_is_affirmed_first() -> None:
    assert planned("I got the job, I'm so happy!").strategies[0] == "affirmation"


def test_high_neuroticism_is_met_more_gently() -> None:
    message = "My boss yelled at me"
    tense, even = planned(message, neuroticism=66), planned(message, neuroticism=34)
    assert tense.strategies[0] == "reflection_of_feelings"
    assert tense.warmth > even.warmth
    assert tense.directness < even.directness
    assert "gentle" in tense.tone
    assert "providing_suggestions" not in tense.strategies
    assert "providing_suggestions" in even.strategies


def test_high_conscientiousness_gets_structure_and_steps() -> None:
    message = "I'm so overwhelmed at work"
    orderly, loose = planned(message, conscientiousness=70), planned(message, conscientiousness=32)
    assert orderly.structure > loose.structure
    assert any("steps" in line for line in orderly.style)
    assert "plans with many steps" in loose.avoid


def test_low_agreeableness_gets_the_point_with_less_cushioning() -> None:
    message = "My boss yelled at me"
    blunt, kind = planned(message, agreeableness=33), planned(message, agreeableness=67)
    assert blunt.directness > kind.directness
    assert blunt.warmth < kind.warmth
    assert "plain-spoken" in blunt.tone


def test_introverts_are_asked_less_and_extraverts_are_invited() -> None:
    message = "I feel sad today after the party"
    quiet, lively = planned(message, extraversion=30), planned(message, extraversion=70)
    assert "question" not in quiet.strategies
    assert "question" in lively.strategies
    assert quiet.energy < lively.energy


def test_high_openness_is_offered_perspectives() -> None:
    assert any("perspectives" in line for line in planned("I feel lost", openness=68).style)


def test_a_question_is_not_followed_by_another_question() -> None:
    message = "I feel sad today"
    assert "question" in plan(message, None, NEUTRAL).strategies
    assert "question" not in plan(message, None, NEUTRAL, asked_before=True).strategies


def test_a_question_comes_last() -> None:
    for message in ("I feel sad today", "My boss yelled at me", "How do I ask for a raise?", "I went hiking"):
        strategies = planned(message).strategies
        assert "question" not in strategies[:-1]


def test_a_lingering_feeling_tips_an_unclear_message() -> None:
    assert plan("I don't know", None, NEUTRAL).category == "everyday"
    assert plan("I don't know", None, NEUTRAL, "sadness").category == "emotional_support"
    assert plan("I don't know", None, NEUTRAL, "calm").category == "everyday"


@pytest.mark.parametrize("level", ["high", "imminent"])
def test_a_crisis_overrides_the_plan(level: str) -> None:
    found = plan("x", persona(agreeableness=30), Screen(level, ("self_harm",), (), "es"))  # type: ignore[arg-type]
    assert found.crisis
    assert found.level == level
    assert found.language == "es"
    assert found.strategies[:2] == ("reflection_of_feelings", "question")
    assert "methods" in found.avoid


def test_a_concern_is_asked_about() -> None:
    found = plan("I feel hopeless", None, screen("I feel hopeless"))
    assert not found.crisis
    assert {"reflection_of_feelings", "question"} <= set(found.strategies)


def test_no_persona_and_the_prior_give_the_same_plan() -> None:
    prior = persona(**{trait.value: 50.0 for trait in Trait})
    assert plan("I feel sad", None, NEUTRAL) == plan("I feel sad", prior, NEUTRAL)


def test_every_choice_has_a_readable_reason() -> None:
    found = planned("My boss yelled at me", neuroticism=66, openness=65)
    assert found.because[0].startswith("high_eq_interaction: ")
    assert any(line.startswith("neuroticism about 66") for line in found.because)


def test_a_plan_is_plain_json() -> None:
    values = planned("I feel sad", neuroticism=66).as_dict()
    assert json.loads(json.dumps(values))["category"] == "emotional_support"


def test_the_style_depends_on_the_persona_alone() -> None:
    means = {"neuroticism": 66.0, "extraversion": 35.0}
    assert planned("I feel sad", **means).style == planned("How do I ask for a raise?", **means).style
    assert planned("I feel sad", **means).tone == planned("How do I ask for a raise?", **means).tone


@settings(max_examples=150, deadline=None)
@given(
    st.text(max_size=200),
    st.lists(st.floats(0, 100), min_size=5, max_size=5),
    st.sampled_from(["none", "concern", "high", "imminent"]),
)
def test_every_plan_is_within_bounds(message: str, means: list[float], level: str) -> None:
    someone = persona(**dict(zip((trait.value for trait in Trait), means, strict=True)))
    found = plan(message, someone, Screen(level))  # type: ignore[arg-type]
    assert 1 <= len(found.strategies) <= 4
    assert len(set(found.strategies)) == len(found.strategies)
    for value in (found.directness, found.structure, found.warmth, found.energy):
        assert 0 <= value <= 1
    assert found.crisis == (level in ("high", "imminent"))


@given(st.floats(0, 100))
def test_means_move_the_dials_continuously(mean: float) -> None:
    here = planned("My boss yelled at me", neuroticism=mean)
    near = planned("My boss yelled at me", neuroticism=min(100.0, mean + 0.1))
    assert abs(here.directness - near.directness) < 0.01
    assert abs(deviations(persona(neuroticism=mean))[Trait.NEUROTICISM]) <= 2.5


def faint(**means: float) -> Persona:
    """A persona as text gives it: means close to 50, and wide."""
    return Persona({trait: TraitEstimate(trait, means.get(trait.value, 50.0), 9.95, 5) for trait in Trait}, "v1")


def test_a_faint_impression_changes_a_plan_a_little_and_certainty_as_much_as_it_says() -> None:
    weak = deviations(faint(neuroticism=50.7))[Trait.NEUROTICISM]
    assert 0.1 < weak < 0.4
    sure = Persona({Trait.NEUROTICISM: TraitEstimate(Trait.NEUROTICISM, 60.0, 0.5)}, "v1")
    assert deviations(sure)[Trait.NEUROTICISM] == pytest.approx(1.0, abs=0.02)
    assert plan("I feel sad", faint(neuroticism=50.7), NEUTRAL) != plan("I feel sad", faint(), NEUTRAL)


@given(st.floats(50, 60), st.floats(0, 9.99))
def test_the_less_is_known_the_less_a_mean_so_far_out_would_surprise(mean: float, sd: float) -> None:
    def deviation(width: float) -> float:
        return deviations(Persona({Trait.OPENNESS: TraitEstimate(Trait.OPENNESS, mean, width)}, "v1"))[Trait.OPENNESS]

    assert deviation(sd) <= deviation(9.999) + 1e-9


@pytest.mark.parametrize(
    ("means", "manner"),
    [
        ({}, "neutral"),
        ({"neuroticism": 65}, "gentle"),
        ({"agreeableness": 35}, "plain"),
        ({"extraversion": 65}, "lively"),
        ({"extraversion": 35}, "quiet"),
        ({"conscientiousness": 65}, "orderly"),
        ({"openness": 65}, "open"),
    ],
)
def test_the_manner_is_that_for_which_the_traits_speak_most(means: dict[str, float], manner: str) -> None:
    assert planned("I went hiking today", **means).manner == manner


EVERYDAY = "We went hiking and had pasta afterwards"


def test_an_unknown_person_may_be_asked_about_themselves() -> None:
    found = plan(EVERYDAY, faint(), NEUTRAL, may_elicit=True)
    assert found.asks_about == Trait.NEUROTICISM
    assert found.strategies[-1] == "question"
    assert plan(EVERYDAY, faint(), NEUTRAL).asks_about is None
    assert plan(EVERYDAY, None, NEUTRAL, may_elicit=True).asks_about is None


def test_what_is_known_or_frozen_is_not_asked_about() -> None:
    known = dict(faint().estimates)
    known[Trait.NEUROTICISM] = TraitEstimate(Trait.NEUROTICISM, 41.0, 2.9, 1)
    known[Trait.CONSCIENTIOUSNESS] = TraitEstimate(Trait.CONSCIENTIOUSNESS, 50.0, 10.0, 0, frozen=True)
    assert plan(EVERYDAY, Persona(known, "v1"), NEUTRAL, may_elicit=True).asks_about == Trait.EXTRAVERSION
    sure = Persona({trait: TraitEstimate(trait, 50.0, 4.0, 1) for trait in Trait}, "v1")
    assert plan(EVERYDAY, sure, NEUTRAL, may_elicit=True).asks_about is None


@pytest.mark.parametrize(
    "message",
    [
        "I feel so sad and alone",
        "My boss yelled at me",
        "What is the capital of France?",
        "What should I do about my week?",
        "I just need to vent, no advice please",
        "thanks",
    ],
)
def test_nobody_is_asked_about_themselves_in_distress_or_haste(message: str) -> None:
    assert plan(message, faint(), NEUTRAL, may_elicit=True).asks_about is None


@pytest.mark.parametrize("level", ["concern", "high", "imminent"])
def test_nobody_is_asked_about_themselves_when_the_screen_speaks(level: str) -> None:
    assert plan(EVERYDAY, faint(), Screen(level), may_elicit=True).asks_about is None  # type: ignore[arg-type]


def test_asking_comes_late_and_seldom() -> None:
    asked, other = {"asks_about": "openness"}, {"asks_about": None}
    assert not may_elicit([])
    assert not may_elicit([other, other])
    assert may_elicit([other, None, {}])
    assert not may_elicit([other, other, asked])
    assert not may_elicit([asked, *[other] * (ELICIT_EVERY - 1)])
    assert may_elicit([asked, *[other] * ELICIT_EVERY])


@pytest.mark.parametrize("message", ["My grandmother died last week", "We had to put my dog down", "I am grieving"])
def test_in_grief_nobody_gets_advice(message: str) -> None:
    for means in ({}, {"conscientiousness": 75.0}, {"agreeableness": 25.0}):
        found = planned(f"{message}. What should I do?", **means)
        assert "loss" in found.signals
        assert "providing_suggestions" not in found.strategies
