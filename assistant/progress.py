"""A progress bar with rate and ETA for anything that takes more than a few seconds; on standard error."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    Task,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.text import Text


class _Rate(ProgressColumn):
    """Finished items a second."""

    def render(self, task: Task) -> Text:
        return Text("" if task.speed is None else f"{task.speed:.1f}/s")


@contextmanager
def bar() -> Iterator[Callable[[Mapping[str, Any]], None]]:
    """Yield a function that shows a step's `phase`, `done` and `total`, and passes over what has no phase."""
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        _Rate(),
        TimeElapsedColumn(),
        TextColumn("left"),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=Console(stderr=True)) as progress:
        tasks: dict[str, TaskID] = {}

        def show(step: Mapping[str, Any]) -> None:
            phase = step.get("phase")
            if phase is None:
                return
            if phase not in tasks:
                tasks[phase] = progress.add_task(phase, total=step["total"])
            progress.update(tasks[phase], completed=step["done"], total=step["total"])

        yield show
