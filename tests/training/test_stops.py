import pytest

from training.grpo_config import StopConfig
from training.stops import SECOND, reason_to_stop

RULES = StopConfig(baseline=4, patience=2, max_drift=4.0)
CALM = {
    "judge/style_words/mean": 40.0,
    "judge/style_bullets/mean": 1.0,
    "critic/score/max": 0.8,
    "critic/score/min": 0.2,
}


def run(*last: dict[str, float], steps: int = 6) -> list[dict[str, float]]:
    first = [{**CALM, "judge/style_words/mean": 40.0 + number % 2} for number in range(steps)]
    return [*first, *({**CALM, **step} for step in last)]


def test_a_calm_run_goes_on() -> None:
    assert reason_to_stop(run(), RULES) is None
    assert reason_to_stop([], RULES) is None


@pytest.mark.parametrize(
    ("last", "word"),
    [
        ({"critic/score/min": 0.8}, "equal"),
        ({"judge/style_words/mean": 400.0}, "judge/style_words/mean"),
        ({"judge/style_bullets/mean": 9.0}, "judge/style_bullets/mean"),
    ],
)
def test_a_signal_counts_once_it_has_lasted(last: dict[str, float], word: str) -> None:
    assert reason_to_stop(run(last), RULES) is None
    assert word in (reason_to_stop(run(last, last), RULES) or "")
    assert reason_to_stop(run(last, {}), RULES) is None


def test_a_second_judge_that_follows_speaks_for_learning() -> None:
    before = [{**step, SECOND: 3.0} for step in run()]
    drifted = {**CALM, "judge/style_words/mean": 400.0}
    assert reason_to_stop([*before, *[{**drifted, SECOND: 4.0}] * 2], RULES) is None
    assert "second judge" in (reason_to_stop([*before, *[{**drifted, SECOND: 2.9}] * 2], RULES) or "")


def test_what_was_not_measured_stops_nothing() -> None:
    assert reason_to_stop([{"critic/score/mean": 0.1}] * 20, RULES) is None
