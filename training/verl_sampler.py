"""verl's replay buffer without the rollouts that could not be judged; see training.peregrm.masking.

This is the only place of verl 0.9.1 that sees a whole batch with its rewards before advantages are computed, can take
rollouts out of it, reaches the step's log, and stops the run by raising. Chosen by

    trainer.v1.sampler.custom_sampler.path=pkg://training.verl_sampler
    trainer.v1.sampler.custom_sampler.name=ScoredReplayBuffer        (ScoredReplayBufferAsync for asynchronous modes)
    +trainer.v1.sampler.sampler_kwargs.judge_config=configs/judge.toml   (or ATTUNE_JUDGE)
"""

from __future__ import annotations

from typing import Any

import transfer_queue as tq
from verl.trainer.ppo.v1.replay_buffer import ReplayBuffer, ReplayBufferAsync

from training.peregrm.config import judge_path, load_judge_config
from training.peregrm.masking import Rollout, TooManyUnscoredError, Watch, figures, keep


class _Scored:
    """What both replay buffers gain; it comes before the stock class."""

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        limits = load_judge_config(judge_path(options["sampler_kwargs"].get("judge_config"))).limits
        self._watch = Watch(limits.max_unscored, limits.window)

    def sample(self, global_steps: int, partition_id: str, batch_size: int) -> tuple[Any, dict[str, Any]]:
        """Return a batch of judged rollouts and the step's figures.

        Raises:
            TooManyUnscoredError: too many could not be judged.
        """
        batch, metrics = super().sample(  # type: ignore[misc]
            global_steps=global_steps, partition_id=partition_id, batch_size=batch_size
        )
        rollouts = _rollouts(batch)
        trains = partition_id != "val"
        kept = keep(rollouts, smallest_group=2 if trains else 1)
        if trains:
            self._watch.see(rollouts)
            metrics |= figures(rollouts, kept, self._watch.share)
        if not kept.keys:
            raise TooManyUnscoredError(
                f"no rollout of step {global_steps} ({partition_id}) could be judged and compared; repair the judge's"
                " server and resume from the last checkpoint"
            )
        return _without(batch, kept.dropped), metrics


class ScoredReplayBuffer(_Scored, ReplayBuffer):  # type: ignore[misc]
    """For synchronous training."""


class ScoredReplayBufferAsync(_Scored, ReplayBufferAsync):  # type: ignore[misc]
    """For the asynchronous modes."""


def _rollouts(batch: Any) -> list[Rollout]:
    data = tq.kv_batch_get(keys=batch.keys, partition_id=batch.partition_id, select_fields=["extra_fields"])
    found = []
    for key, fields in zip(batch.keys, list(data["extra_fields"]), strict=True):
        measured = fields.get("reward_extra_info", {}) if isinstance(fields, dict) else {}
        found.append(Rollout(key, key.split("_")[0], {name: float(value) for name, value in measured.items()}))
    return found


def _without(batch: Any, dropped: tuple[str, ...]) -> Any:
    if not dropped:
        return batch
    tq.kv_clear(keys=list(dropped), partition_id=batch.partition_id)
    left = [(key, tag) for key, tag in zip(batch.keys, batch.tags, strict=True) if key not in set(dropped)]
    return type(batch)(partition_id=batch.partition_id, keys=[key for key, _ in left], tags=[tag for _, tag in left])
