"""From a stream of records to a data set on disk: many at once, resumable at the call, in memory that does not grow.

Every finished call is kept in the work directory, so that a build which was killed goes on where it stood and gives
the data set it would have given. Examples are taken in the order of the records, whatever is answered first. A failed
call is counted and leaves out what it was for; more of them than the configuration allows fail the build. A build that
fails leaves no data set, and says what to repair.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass, field

from memory.config import EmbedderConfig
from memory.dataset_files import ANSWERS
from memory.embedder import Embedder
from memory.ledger.ledger import Ledger
from training.call_accounts import Account
from training.caller import Caller
from training.endpoint import Endpoint
from training.errors import DatasetError
from training.example import Example
from training.personaemp.build_config import BuildConfig, FailureLimit
from training.personaemp.collector import Collector
from training.personaemp.drops import Drops
from training.personaemp.identity import open_identity
from training.personaemp.manifest import BuildInfo, Manifest
from training.personaemp.ordered import in_order
from training.personaemp.pipeline import STAGES, Pipeline
from training.personaemp.record import Record, Skipped
from training.personaemp.sources.sources import Sources
from training.personaemp.split import SplitRule, people_needed
from training.personaemp.vectors import SharedVectors

_RECORDS_PER_CALL = 2
"""So many records are under way for each call that may be, so that stages of different records fill the places."""


@dataclass(slots=True)
class Progress:
    """How far a build is."""

    total: int | None
    """Records; None where it is not known."""
    endpoint: Endpoint
    accounts: Mapping[str, Account]
    drops: Drops
    records: int = 0
    """Done with."""
    examples: int = 0
    """Kept."""
    begun: float = field(default_factory=time.monotonic)

    @property
    def seconds_left(self) -> float | None:
        """From the rate so far; None where it cannot be told. Records under way count as half done."""
        if not self.records or self.total is None:
            return None
        under_way = min(max(0, self.total - self.records), _RECORDS_PER_CALL * self.endpoint.concurrency)
        done = self.records + under_way / 2
        return (time.monotonic() - self.begun) / done * max(0.0, self.total - done)

    @property
    def tokens(self) -> tuple[int, int]:
        """Prompt and completion tokens that were paid for in this run."""
        accounts = self.accounts.values()
        return sum(one.prompt_tokens for one in accounts), sum(one.completion_tokens for one in accounts)

    @property
    def cost(self) -> float:
        """In the currency of the endpoint's prices."""
        prompt, completion = self.tokens
        endpoint = self.endpoint
        return (prompt * endpoint.price_per_million_prompt + completion * endpoint.price_per_million_completion) / 1e6


@dataclass(frozen=True, slots=True)
class Built:
    """A finished build."""

    manifest: Manifest
    progress: Progress
    forgotten_answers: int
    """Kept answers that rested on people who are gone, removed."""


async def build(
    config: BuildConfig,
    ledger: Ledger | None = None,
    *,
    embedder: Embedder | None = None,
    limit: int | None = None,
    total: int | None = None,
    show: Callable[[Progress], None] = lambda _: None,
    skipped: Callable[[Skipped], None] = lambda _: None,
) -> Built:
    """Build the data set that `config` describes.

    Args:
        config: What to build.
        ledger: Opened, where the ledger is a source.
        embedder: The one that recall uses; None: the default one, for this build.
        limit: Read only the first so many records.
        total: About how many records there are, for the time that is left.
        show: Called after every record.
        skipped: Called for what a source could not use.

    Raises:
        DatasetError: the directory cannot be written, too many calls failed, there are too few people, or splits leak.
        CallError: the server is down, or refuses every call.
    """
    check_limit(limit, config.split)
    identity = open_identity(config.work_dir)
    drops = Drops()
    async with (
        Collector.open(config.out, identity, drops) as collector,
        Caller.open(config.builder, config.work_dir / ANSWERS) as caller,
    ):
        await caller.check()
        own = embedder or Embedder(EmbedderConfig(), config.work_dir)
        try:
            own.start()
            sources = Sources(config.sources, identity, ledger)
            progress = Progress(total if limit is None else limit, config.builder, caller.accounts, drops)
            stream = _first(sources.records(), limit, skipped)
            async with SharedVectors.open(own) as vectors:
                pipeline = Pipeline(caller, vectors, config.prompt, config.stages, drops)
                await _take_all(stream, pipeline, caller, collector, config, progress, show)
        finally:
            if embedder is None:
                own.close()
        check_failures(caller.accounts, config.failures, config.work_dir.as_posix(), ended=True)
        manifest = await collector.finish(config.split, await _info(config, pipeline, sources))
        complete = limit is None and caller.cache is not None
        forgotten = await caller.cache.forget_untouched() if complete and caller.cache is not None else 0
    return Built(manifest, progress, forgotten)


def check_limit(limit: int | None, rule: SplitRule) -> None:
    """Return where so many records can make a data set; the fewest that do are told before anything is asked.

    Raises:
        DatasetError: they cannot.
    """
    needed = people_needed(rule)
    if limit is not None and limit < needed:
        raise DatasetError(
            f"{limit} records are no data set: it needs {needed} people, and some records are always left out. "
            f"Repair: raise the limit to {2 * needed} or so, lower min_test_people or set ood = false under [split]"
        )


async def _take_all(
    stream: AsyncIterator[Record],
    pipeline: Pipeline,
    caller: Caller,
    collector: Collector,
    config: BuildConfig,
    progress: Progress,
    show: Callable[[Progress], None],
) -> None:
    async def worked(record: Record) -> list[Example]:
        if caller.cache is not None:
            await caller.cache.touch(record.person)
        return await pipeline.examples(record)

    at_once = _RECORDS_PER_CALL * config.builder.concurrency
    async for examples in in_order(stream, worked, at_once):
        await collector.add(examples)
        progress.records += 1
        progress.examples = collector.kept
        check_failures(caller.accounts, config.failures, config.work_dir.as_posix())
        show(progress)


def check_failures(accounts: Mapping[str, Account], limit: FailureLimit, work_dir: str, *, ended: bool = False) -> None:
    """Return while no more calls failed than may.

    Raises:
        DatasetError: more did; the message tells which and how to go on.
    """
    kinds: Counter[str] = Counter()
    asked = 0
    for account in accounts.values():
        kinds.update(account.failures)
        asked += account.calls + account.failed
    failed = kinds.total()
    if failed <= limit.share * asked or (failed < limit.stop_after and not ended):
        return
    stages = ", ".join(f"{tag} {one.failed}" for tag, one in sorted(accounts.items()) if one.failed)
    reasons = ", ".join(f"{kind} {count}" for kind, count in kinds.most_common())
    raise DatasetError(
        f"{failed} of {asked} calls failed ({reasons}; by stage: {stages}), more than failures.share = {limit.share:g} "
        "allows. Repair: unreachable or timeout: look at the model server; garbled, schema or length: take a stronger "
        "model or raise builder.max_tokens; then run the same command again: finished calls are kept in "
        f"{work_dir} and not repeated"
    )


async def _info(config: BuildConfig, pipeline: Pipeline, sources: Sources) -> BuildInfo:
    prompts = {f"{stage.name}.md": stage.prompt_hash for stage in STAGES}
    return BuildInfo(
        preset=config.prompt.preset,
        sources=sources.infos(),
        prompts={**prompts, "serving": config.prompt.hash},
        models={"builder": f"{config.builder.model} {config.builder.identity}"},
        consent=await sources.consent(),
        drops=pipeline.drops.table(),
        agreement=pipeline.agreement.table(),
        shortened=pipeline.shortened,
        memories_left_out=pipeline.memories_left_out,
        settings=config.settings(),
    )


async def _first(
    stream: AsyncIterator[Record | Skipped], limit: int | None, skipped: Callable[[Skipped], None]
) -> AsyncIterator[Record]:
    """Yield the first `limit` records, and tell what was skipped on the way."""
    count = 0
    async for item in stream:
        if isinstance(item, Skipped):
            skipped(item)
            continue
        if count == limit:
            return
        count += 1
        yield item
