"""verl's reward manager, with the training step handed on to the reward: rulers change from visit to visit.

verl 0.9.1 gives a reward function the row's `extra_info` and not the step. Chosen by

    reward.reward_manager.source=importlib reward.reward_manager.name=StepRewardManager
    reward.reward_manager.module.path=pkg://training.verl_manager
"""

from __future__ import annotations

from typing import Any

from verl.experimental.reward_loop.reward_manager.naive import NaiveRewardManager

from training.reward import STEP

_VERLS_STEP = "global_steps"
"""Among a rollout's fields the training step; in `extra_info` verl means by it the version of the weights."""


class StepRewardManager(NaiveRewardManager):  # type: ignore[misc]
    """The stock manager, which also says at which step a rollout was made."""

    async def run_single(self, data: Any) -> Any:
        """Judge one rollout; see the stock manager."""
        fields = data.non_tensor_batch
        if _VERLS_STEP in fields:
            for extra_info, step in zip(fields["extra_info"], fields[_VERLS_STEP], strict=True):
                extra_info[STEP] = int(step)
        return await super().run_single(data)
