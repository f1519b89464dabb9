"""Pools of criteria written into a data set's rows; a file is replaced when all its rows are written, or not at all."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path

from training.example import Example
from training.peregrm.config import JudgeConfig
from training.peregrm.criteria import PoolWriter
from training.personaemp.dataset import read_examples, replace_rows
from training.personaemp.manifest import read_manifest

_AT_ONCE = 64


async def write_pools(
    dataset_dir: Path,
    config: JudgeConfig,
    size: int,
    cache: Path | None = None,
    progress: Callable[[int, int], None] = lambda _done, _total: None,
) -> int:
    """Give every example `size` rulers for each dimension; return how many examples there are.

    Raises:
        DatasetError: the directory is no data set, or a ruler could not be written.
        CallError: the writer's server fails.
    """
    manifest = read_manifest(dataset_dir)
    done, total = 0, manifest.rows
    async with PoolWriter.open(config, cache) as writer:
        await writer.check()
        for split in manifest.files:
            filled: list[Example] = []
            waiting = list(read_examples(dataset_dir, split))
            for first in range(0, len(waiting), _AT_ONCE):
                part = waiting[first : first + _AT_ONCE]
                filled += await asyncio.gather(*(writer.fill(example, size) for example in part))
                done += len(part)
                progress(done, total)
            replace_rows(dataset_dir, split, filled)
    return done
