"""What a step of the road is, and what it says when it has to wait."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from training.errors import TrainingError
from training.retraining.journal import Inputs
from training.retraining.road import Road

TRAIN, ATTUNE = "training.cli", "assistant.cli"
"""Our two commands, as modules."""


class NotYetError(TrainingError):
    """A step has to wait for something that is not there yet; running the command again later goes on."""


@dataclass(frozen=True, slots=True)
class Step:
    """One step."""

    name: str
    inputs: Callable[[Road], Inputs]
    """What it depends on."""
    do: Callable[[Road, str], dict[str, Any]]
    """Do it, given the hash of its inputs, and return what came of it."""
    gone: Callable[[Road, dict[str, Any]], str | None] = lambda _road, _outputs: None
    """Say why a result is no good any more."""
    after: tuple[str, ...] = ()
    """The steps whose results it takes."""
    wanted: Callable[[Road], bool] = lambda _road: True
    """Whether the configuration asks for it."""
