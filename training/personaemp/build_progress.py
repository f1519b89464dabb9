"""How a build is shown while it runs: records with rate and time left, calls by stage, tokens, cost; on stderr."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.live import Live
from rich.table import Table

from training.personaemp.build import Progress

_LINE_EVERY_S = 10.0
"""Where standard error is no terminal."""


@contextmanager
def shown() -> Iterator[Callable[[Progress], None]]:
    """Yield what is called after every record: a table that is renewed, or now and then a line."""
    console = Console(stderr=True)
    if console.is_terminal:
        with Live(console=console, refresh_per_second=4) as live:
            yield lambda progress: live.update(_table(progress))
        return
    last = time.monotonic()

    def line(progress: Progress) -> None:
        nonlocal last
        if time.monotonic() - last >= _LINE_EVERY_S:
            last = time.monotonic()
            console.print(summary(progress), highlight=False, soft_wrap=True)

    yield line


def summary(progress: Progress) -> str:
    """Say in one line how far a build is."""
    seconds = max(1e-9, time.monotonic() - progress.begun)
    of = "" if progress.total is None else f" of about {progress.total}"
    left = "" if progress.seconds_left is None else f", {_time(progress.seconds_left)} left"
    prompt, completion = progress.tokens
    cost = f", cost {progress.cost:,.2f}" if progress.cost else ""
    rate = f"{progress.records / seconds:.1f}/s"
    return (
        f"records {progress.records}{of} ({rate}{left}), examples {progress.examples},"
        f" tokens {prompt:,} + {completion:,}{cost}"
    )


def _table(progress: Progress) -> Table:
    table = Table(title=summary(progress), title_justify="left", box=None)
    for name in ("stage", "calls", "from cache", "tries again", "failed", "left out"):
        table.add_column(name, justify="left" if name == "stage" else "right")
    drops = progress.drops.table()
    for stage in dict.fromkeys([*progress.accounts, *drops]):
        account = progress.accounts.get(stage)
        counts = (account.calls, account.cached, account.retries, account.failed) if account else ("", "", "", "")
        table.add_row(stage, *map(str, counts), str(sum(drops.get(stage, {}).values())))
    return table


def _time(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"
