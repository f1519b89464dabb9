"""verl's reward hook: one rollout in, its reward and what explains it out, the same flat numeric keys every time.

A rollout that could not be judged comes back with `unscored` 1 and NaN for a score: `training.verl_sampler` takes it
out of the batch before verl computes an advantage, and where that is not configured, verl's own check of the gradient
norm refuses the step. It imports no store of memory and nothing of verl, so that it can be read and tested anywhere.

    reward.custom_reward_function.path=pkg://training.reward
    +reward.custom_reward_function.reward_kwargs.judge_config=configs/judge.toml
"""

from __future__ import annotations

import asyncio
import logging
import math
import time
from collections.abc import Mapping
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any, TypeAlias
from weakref import WeakKeyDictionary

from training.example import criteria_of
from training.peregrm.arithmetic import Reward, reward
from training.peregrm.case import Case, Reply
from training.peregrm.config import JudgeConfig, judge_path, load_judge_config
from training.peregrm.drawing import draw
from training.peregrm.judge import Judge
from training.peregrm.rubric import load_rubric
from training.peregrm.style import style
from training.peregrm.verdict import Unscored, Verdict
from training.timeline import Judged, note

STEP = "training_step"
"""The key of `extra_info` that `training.verl_manager` puts the training step under; it decides the rulers."""

log = logging.getLogger(__name__)
_Opened: TypeAlias = tuple[Judge, AsyncExitStack]
_judges: WeakKeyDictionary[asyncio.AbstractEventLoop, dict[tuple[Path, bool], asyncio.Future[_Opened]]] = (
    WeakKeyDictionary()
)
"""verl calls the hook once for each rollout and never says goodbye: a judge, and its second, for each loop and file."""


async def compute_score(
    *, solution_str: str, extra_info: Mapping[str, Any], judge_config: str | None = None, **_: object
) -> dict[str, float]:
    """Judge one rollout; `judge_config` is the path of a file such as configs/judge.toml, else ATTUNE_JUDGE.

    Replies of the validation are shown to the second judge too, where there is one, under the same rulers: `second`.

    Raises:
        TrainingError: the configuration, or the row, cannot be judged by; no other rollout could be.
    """
    written_at, path = time.time(), judge_path(judge_config)
    judge = await _opened(path)
    config, reply = judge.config, Reply.of(solution_str)
    case = Case.of_row(extra_info)
    rulers = {}
    if config.mode == "shared" and load_rubric().presets[config.preset].criteria:
        pools = criteria_of(extra_info)
        rulers = draw(case.id, pools, config.rounds, int(extra_info.get(STEP, 0)), config.seed)
    outcome = await judge.score(case, reply, rulers)
    if isinstance(outcome, Unscored):
        log.warning("a reply to example %s is unscored (%s): %s", case.id, outcome.reason, outcome.message)
    found = flat(outcome, reply, config)
    if config.check.second is not None and extra_info.get("split") != "train":
        again = await (await _opened(path, second=True)).score(case, reply, rulers)
        found["second"] = math.nan if isinstance(again, Unscored) else earned(again, config).value
    if extra_info.get("split") == "train":
        note(Judged(int(extra_info.get(STEP, 0)), written_at, time.time(), outcome.calls))
    return found


def flat(outcome: Verdict | Unscored, reply: Reply, config: JudgeConfig) -> dict[str, float]:
    """Return the reward and what explains it; of an unscored reply everything measured is NaN."""
    found = None if isinstance(outcome, Unscored) else earned(outcome, config)
    names = load_rubric().presets[config.preset].dimensions
    return {
        "score": math.nan if found is None else found.value,
        "unscored": float(found is None),
        **{name: math.nan if found is None else found.dimensions[name] for name in names},
        "empathy": math.nan if found is None else found.empathy,
        "bystander": math.nan if found is None else 1.0 + found.penalty,
        "judge_calls": float(outcome.calls),
        "judge_seconds": outcome.seconds,
        **{f"style_{name}": count for name, count in style(reply.text).items()},
    }


def earned(verdict: Verdict, config: JudgeConfig) -> Reward:
    """Return the reward of a verdict under a configuration."""
    rubric = load_rubric()
    return reward(
        verdict.rounds,
        {name: float(rubric.measures[name].scale.high) for name in verdict.rounds},
        None if verdict.bystander is None else list(verdict.bystander.values()),
        combine=rubric.presets[config.preset].combine,
        penalty=config.penalty,
    )


async def close() -> None:
    """Close the judges that this event loop opened; for who ends before its process does."""
    for opened in _judges.pop(asyncio.get_running_loop(), {}).values():
        _, stack = await opened
        await stack.aclose()


async def _opened(path: Path, *, second: bool = False) -> Judge:
    judges = _judges.setdefault(asyncio.get_running_loop(), {})
    if (path, second) not in judges:
        judges[path, second] = asyncio.ensure_future(_open(path, second))
    judge, _ = await asyncio.shield(judges[path, second])
    return judge


async def _open(path: Path, second: bool) -> _Opened:
    config = await asyncio.to_thread(load_judge_config, path)
    if second and config.check.second is not None:
        config = config.model_copy(update={"endpoint": config.check.second})
    stack = AsyncExitStack()
    return await stack.enter_async_context(Judge.open(config, shared_bound=True)), stack
