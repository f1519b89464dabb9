"""The crisis screen with its second look, over labelled lines: what the configured model adds, and what it costs."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack
from pathlib import Path

from assistant.config import load_config
from assistant.errors import ConfigError
from assistant.metrics import Metrics
from assistant.models.auto import complete_for, open_policy, open_role
from assistant.safety.screen import Screen
from assistant.screening import Screening, SecondLook
from training.benchmarks.safety import Labelled

AT_ONCE = 8


async def screened_twice(
    lines: Sequence[Labelled], config: Path, progress: Callable[[int, int], None]
) -> tuple[list[Screen], dict[str, int]]:
    """Screen every line as a backend with `config` would; also return how often the second look came to what.

    Raises:
        ConfigError: the configuration cannot be read, or names no second look.
    """
    loaded, metrics = load_config(config), Metrics()
    async with AsyncExitStack() as stack:
        policy = await open_policy(loaded)
        stack.push_async_callback(policy.aclose)
        complete = complete_for(await open_role(loaded.safety.second_look, "second look", policy, stack))
        if complete is None:
            raise ConfigError(
                f'{config} names no second look. Repair: [safety.second_look] engine = "same", or a model'
            )
        screening = Screening(SecondLook(complete, loaded.safety.second_look_s), metrics)
        room, done = asyncio.Semaphore(AT_ONCE), 0

        async def one(line: Labelled) -> Screen:
            nonlocal done
            async with room:
                found = await screening.screen(line.text, line.history)
            done += 1
            progress(done, len(lines))
            return found

        found = await asyncio.gather(*map(one, lines))
    outcomes = ("raised", "kept", "failed")
    return found, {outcome: metrics.second_look_count(outcome) for outcome in outcomes}
