import pytest

from training.grpo_config import StopConfig
from training.stops import reason_to_stop

RULES = StopConfig(baseline=4, patience=2, max_drift=4.0, max_unscored=0.2)
CALM = {"style_words": 40.0, "style_bullets": 1.0, "unscored": 0.0, "reward_spread": 0.2}


def run(*last: dict[str, float], steps: int = 6) -> list[dict[str, float]]:
    first = [{**CALM, "style_words": 40.0 + number % 2} for number in range(steps)]
    return [*first, *({**CALM, **step} for step in last)]


def test_a_calm_run_goes_on() -> None:
    assert reason_to_stop(run(), RULES) is None
    assert reason_to_stop([], RULES) is None


@pytest.mark.parametrize(
    ("last", "word"),
    [
        ({"unscored": 0.5}, "unscored"),
        ({"reward_spread": 0.0}, "equal"),
        ({"style_words": 400.0}, "style_words"),
        ({"style_bullets": 9.0}, "style_bullets"),
    ],
)
def test_a_signal_counts_once_it_has_lasted(last: dict[str, float], word: str) -> None:
    assert reason_to_stop(run(last), RULES) is None
    assert word in (reason_to_stop(run(last, last), RULES) or "")
    assert reason_to_stop(run(last, {}), RULES) is None


def test_a_second_judge_that_follows_speaks_for_learning() -> None:
    before = [{**step, "second_judge": 3.0} for step in run()]
    drifted = {**CALM, "style_words": 400.0}
    assert reason_to_stop([*before, *[{**drifted, "second_judge": 4.0}] * 2], RULES) is None
    assert "second judge" in (reason_to_stop([*before, *[{**drifted, "second_judge": 2.9}] * 2], RULES) or "")


def test_what_was_not_measured_stops_nothing() -> None:
    assert reason_to_stop([{"critic/score/mean": 0.1}] * 20, RULES) is None
