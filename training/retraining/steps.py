"""The steps of the road, in their order; before them stands reading what people hold, which is done each time."""

from __future__ import annotations

from training.retraining.data_steps import DATA_STEPS
from training.retraining.policy_steps import POLICY_STEPS
from training.retraining.step import Step

STEPS: tuple[Step, ...] = (*DATA_STEPS, *POLICY_STEPS)
