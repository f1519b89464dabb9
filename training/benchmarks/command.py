"""What the commands of `attune-train bench` share: their options, their progress line, and the model that reflects."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypeVar

import typer

from training.progress import tell

if TYPE_CHECKING:
    from memory.types import Complete
    from training.benchmarks.lines import BadLine

Item = TypeVar("Item")
Found = TypeVar("Found")

Json = Annotated[bool, typer.Option("--json", help="Print one JSON object instead of a table.")]
Limit = Annotated[int | None, typer.Option("--limit", min=1, help="Read only the first so many usable lines.")]
Config = Annotated[
    Path | None,
    typer.Option("--config", help="A configuration whose model reflects; without it, rules do, as offline."),
]


def measured(measuring: Callable[[], Coroutine[None, None, Found]]) -> Found:
    """Run a measurement; what the house can explain ends the command with a sentence."""
    from assistant.errors import AttuneError
    from memory.errors import MemoryLayerError
    from training.errors import TrainingError

    try:
        return asyncio.run(measuring())
    except (TrainingError, MemoryLayerError, AttuneError) as error:
        typer.echo(f"error: {error}", err=True)
        raise typer.Exit(1) from error


def usable_lines(path: Path, read: Iterator[Item | BadLine], needs: str, limit: int | None = None) -> list[Item]:
    """Return what can be used; what cannot is named by line on stderr.

    Raises:
        InputFileError: nothing can be used.
    """
    from training.benchmarks.lines import usable

    return usable(path, read, lambda text: typer.echo(text, err=True), needs=needs, limit=limit)


@asynccontextmanager
async def reflecting(config: Path | None) -> AsyncIterator[Complete | None]:
    """Give the one-shot answers of the model that reflects under `config`; None where rules do.

    Raises:
        ConfigError, ModelError: the configuration or its model cannot be used.
    """
    if config is None:
        yield None
        return
    from assistant.config import load_config
    from assistant.models.auto import complete_for, open_model

    roles = load_config(config)
    model = await open_model(roles.policy if roles.reflect.engine == "same" else roles.reflect, name="reflect")
    try:
        yield complete_for(model)
    finally:
        await model.aclose()


def progress(total: int, noun: str) -> Callable[[int, float], None]:
    """Return what says on stderr, at most once a second, how far the work is, how fast, and how long it takes yet."""
    said = 0.0

    def say(done: int, seconds: float) -> None:
        nonlocal said
        if time.monotonic() - said < 1 and done < total:
            return
        said = time.monotonic()
        tell(noun, done, total, seconds)

    return say
