import pytest
from hypothesis import given
from hypothesis import strategies as st

from memory.persona.levels import LOWER, SHOWN_FROM, UPPER, Level, level_t_score, probabilities, shown, tercile_labels
from memory.types import Trait, TraitEstimate


def estimate(mean: float, sd: float, count: int = 10) -> TraitEstimate:
    return TraitEstimate(Trait.OPENNESS, mean, sd, count)


def test_the_cut_offs_are_the_thirds_of_the_population() -> None:
    assert (round(LOWER, 1), round(UPPER, 1)) == (45.7, 54.3)
    assert list(probabilities(estimate(50, 10)).values()) == pytest.approx([1 / 3] * 3, abs=1e-4)


def test_nothing_is_known_without_evidence() -> None:
    assert shown(estimate(50, 10, 0)).label == "not yet known"
    assert shown(estimate(70, 5, 0)).level is None


@pytest.mark.parametrize(
    ("mean", "sd", "level"),
    [
        (50.5, 9.9, None),
        (53.0, 9.8, "high"),
        (47.0, 9.8, "low"),
        (50.0, 9.8, None),
        (50.0, 4.0, "medium"),
        (62.0, 4.0, "high"),
    ],
)
def test_a_level_is_shown_once_it_is_likelier_than_chance_by_enough(mean: float, sd: float, level: str | None) -> None:
    assert shown(estimate(mean, sd)).level == level


@given(st.floats(10, 90), st.floats(0.5, 10))
def test_probabilities_add_up_and_the_shown_one_is_the_largest(mean: float, sd: float) -> None:
    levels = probabilities(estimate(mean, sd))
    view = shown(estimate(mean, sd))
    assert sum(levels.values()) == pytest.approx(1)
    assert view.probability == max(levels.values())
    if view.level is not None:
        assert view.probability == levels[view.level] >= SHOWN_FROM


@given(st.floats(10, 90), st.floats(0.5, 10))
def test_the_interval_is_centred_and_holds_ninety_percent(mean: float, sd: float) -> None:
    low, high = shown(estimate(mean, sd)).interval
    assert (low + high) / 2 == pytest.approx(mean)
    assert high - low == pytest.approx(3.29 * sd, rel=1e-3)


def test_tercile_labels_cut_a_population_into_thirds() -> None:
    assert tercile_labels([3, 1, 2]) == ["high", "low", "medium"]
    labels = tercile_labels([float(i) for i in range(300)])
    assert [labels.count(level) for level in ("low", "medium", "high")] == [100, 100, 100]


def test_equal_means_get_equal_labels() -> None:
    assert tercile_labels([50.0] * 7) == ["medium"] * 7


def test_two_people_have_no_thirds() -> None:
    with pytest.raises(ValueError, match="three people"):
        tercile_labels([1.0, 2.0])


def test_between_a_level_and_not_yet_known_there_is_a_leaning() -> None:
    found = shown(estimate(51.0, 9.9))
    assert (found.level, found.leaning) == (None, "high")
    assert shown(estimate(49.0, 9.9)).leaning == "low"
    assert shown(estimate(50.1, 9.9)).leaning is None
    assert shown(estimate(60.0, 9.0)).leaning is None


def test_a_level_that_a_person_names_is_the_level_that_is_shown() -> None:
    levels: tuple[Level, ...] = ("low", "medium", "high")
    for level in levels:
        assert shown(estimate(level_t_score(level), 2.9)).level == level
    assert level_t_score("low") == pytest.approx(100 - level_t_score("high"))
