from __future__ import annotations

from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from training.errors import EngineError
from training.prove import largest_change, read_step, report_reply
from training.prove_reward import compute_score

LOG = """\
(TaskRunner pid=1) step:1 - actor/grad_norm:1.27 - training/diff_max:3.49e-09 - timing_s/step:16.1
(TaskRunner pid=1) step:12 - actor/grad_norm:9.0
(TaskRunner pid=1) step:2 - actor/pg_loss:-0.5 - timing_s/step:2
"""


def weights(directory: Path, **values: float) -> Path:
    directory.mkdir()
    save_file({name: torch.full((2, 2), value) for name, value in values.items()}, directory / "model.safetensors")
    return directory


def test_the_figures_of_a_step_are_read_from_the_log() -> None:
    assert read_step(LOG, 1) == {
        "actor/grad_norm": 1.27,
        "training/diff_max": 3.49e-09,
        "timing_s/step": 16.1,
    }
    assert read_step(LOG, 2) == {"actor/pg_loss": -0.5, "timing_s/step": 2.0}


def test_a_step_that_is_not_there_or_not_written_to_its_end_has_no_figures() -> None:
    assert read_step(LOG, 3) == {}
    assert read_step("step:1 - actor/grad_norm:1.2", 1) == {}


def test_the_largest_change_of_a_weight_is_found(tmp_path: Path) -> None:
    change = largest_change(weights(tmp_path / "a", x=1.0, y=2.0), weights(tmp_path / "b", x=1.0, y=1.5))
    assert change == 0.5


def test_weights_that_did_not_change_are_no_training(tmp_path: Path) -> None:
    with pytest.raises(EngineError, match="changed no weight"):
        largest_change(weights(tmp_path / "a", x=1.0), weights(tmp_path / "b", x=1.0))


def test_weights_that_are_not_numbers_are_no_training(tmp_path: Path) -> None:
    with pytest.raises(EngineError):
        largest_change(weights(tmp_path / "a", x=1.0, y=1.0), weights(tmp_path / "b", x=2.0, y=float("nan")))


def test_another_set_of_weights_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(EngineError, match="other weights"):
        largest_change(weights(tmp_path / "a", x=1.0), weights(tmp_path / "b", z=1.0))


@pytest.mark.parametrize(
    "events",
    [
        [],
        [("delta", {"text": "hi"})],
        [("error", {"error": {"code": "model_unavailable"}})],
        [("message.completed", {"policy_version": "builtin"})],
    ],
)
def test_a_reply_that_the_trained_policy_did_not_complete_is_an_error(
    events: list[tuple[str, dict[str, object]]],
) -> None:
    with pytest.raises(EngineError):
        report_reply(events)


async def test_the_trivial_reward_prefers_short_words_and_has_the_same_keys_for_an_empty_reply() -> None:
    short = await compute_score(solution_str="a b c", data_source="x", ground_truth="")
    long = await compute_score(solution_str="abcdefgh", data_source="x", ground_truth="")
    empty = await compute_score(solution_str="", data_source="x", ground_truth="")
    assert 1 > short["score"] > long["score"] > empty["score"] == 0
    assert short.keys() == long.keys() == empty.keys()
