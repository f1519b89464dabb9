"""Where finished examples go: near-duplicates are left out, the rest is written; in a thread of its own.

A query that nearly repeats an earlier one, of whomever, is dropped; the first in the order of the records stays. The
measure is that of the leak check (`near`: MinHash over characters, exact Jaccard behind it), so that what is kept here
cannot leak there. An embedding would find paraphrases too, but reads English only and would make every build depend on
a model's weights; and paraphrases by different people are no repetition.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, asynccontextmanager
from pathlib import Path
from typing import TypeVar

from training.example import Example
from training.personaemp.dataset import Writer
from training.personaemp.drops import Drops
from training.personaemp.identity import Identity
from training.personaemp.manifest import BuildInfo, Manifest
from training.personaemp.near import NearTexts
from training.personaemp.split import SplitRule

_T = TypeVar("_T")


class Collector:
    """Takes examples in order; open it with `open`."""

    def __init__(self, thread: ThreadPoolExecutor, drops: Drops) -> None:
        self._thread = thread
        self._drops = drops
        self._open = ExitStack()
        self._writer: Writer | None = None
        self._near: NearTexts | None = None
        self.kept = 0

    @classmethod
    @asynccontextmanager
    async def open(cls, out_dir: Path, identity: Identity, drops: Drops) -> AsyncIterator[Collector]:
        """Begin a data set; what is not finished is removed on leaving.

        Raises:
            DatasetError: the directory cannot be written, or holds something already.
        """
        with ThreadPoolExecutor(1, thread_name_prefix="dataset") as thread:
            collector = cls(thread, drops)
            try:
                await collector._run(lambda: collector._begin(out_dir, identity))
                yield collector
            finally:
                await asyncio.shield(collector._run(collector._open.close))

    async def add(self, examples: Sequence[Example]) -> None:
        """Keep the examples that do not nearly repeat an earlier one.

        Raises:
            DatasetError: the disk is full, or an example contradicts an earlier one.
        """
        if examples:
            await self._run(lambda: self._take(examples))

    async def finish(self, rule: SplitRule, info: BuildInfo) -> Manifest:
        """Divide the people, write everything, and put it in place; see `Writer.finish`."""
        return await self._run(lambda: self._opened()[0].finish(rule, info))

    async def _run(self, work: Callable[[], _T]) -> _T:
        return await asyncio.get_running_loop().run_in_executor(self._thread, work)

    def _begin(self, out_dir: Path, identity: Identity) -> None:
        self._writer = self._open.enter_context(Writer.open(out_dir, identity))
        self._near = self._open.enter_context(NearTexts.open())

    def _opened(self) -> tuple[Writer, NearTexts]:
        if self._writer is None or self._near is None:
            raise RuntimeError("the collector is not open")
        return self._writer, self._near

    def _take(self, examples: Sequence[Example]) -> None:
        writer, near = self._opened()
        for example in examples:
            if next(near.like(example.query), None) is not None:
                self._drops.add("duplicates", "near_duplicate")
                continue
            near.add(example.person, example.query)
            writer.add(example)
            self.kept += 1
