"""All sources of a data set as one stream of records, and what is to be said of them in the manifest."""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, model_validator

from memory.errors import ImportFileError
from memory.ledger.ledger import Ledger
from training.errors import InputFileError
from training.personaemp.identity import Identity
from training.personaemp.manifest import ConsentSnapshot, SourceInfo, file_sha256
from training.personaemp.record import Record, Skipped
from training.personaemp.sources import alpsbench, jsonl
from training.personaemp.sources import ledger as of_ledger
from training.personaemp.sources.ledger import LedgerSource
from training.personaemp.sources.mix import Mixed, mix, streamed


class SourcesConfig(BaseModel):
    """Where records come from."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    ledger: bool = False
    """Whether the people of the ledger who agreed are exported."""
    jsonl: Path | None = None
    """Conversations from elsewhere, one message a line."""
    alpsbench: Path | None = None
    """The base set, as `attune-train data fetch alpsbench` gets it."""
    base_per_own: float | None = Field(default=None, gt=0)
    """Records of the base set for each of one's own; without it all of both are taken."""

    @model_validator(mode="after")
    def _names_a_source(self) -> SourcesConfig:
        if not (self.ledger or self.jsonl or self.alpsbench):
            raise ValueError("no source: set ledger = true, or name a file under jsonl or alpsbench")
        if self.base_per_own is not None and not (self.alpsbench and (self.ledger or self.jsonl)):
            raise ValueError("base_per_own needs alpsbench and a source of one's own (ledger or jsonl)")
        return self


@dataclass
class Sources:
    """The sources of one build."""

    config: SourcesConfig
    identity: Identity
    ledger: Ledger | None = None
    """Opened by the caller, where the configuration says `ledger`."""
    _records: Counter[str] = field(default_factory=Counter, init=False)
    _skipped: dict[str, Counter[str]] = field(default_factory=dict, init=False)
    _exported: LedgerSource | None = field(default=None, init=False)

    def __post_init__(self) -> None:
        if self.config.ledger:
            if self.ledger is None:
                raise InputFileError("the people of the ledger are wanted, and no ledger is opened")
            self._exported = LedgerSource(self.ledger, self.identity.id, self.identity.work)

    async def records(self) -> AsyncIterator[Record | Skipped]:
        """Yield the records of every source, and what could not be used, by line.

        Raises:
            InputFileError: a file cannot be opened.
            LedgerError: the ledger failed.
        """
        self._records.clear()
        self._skipped.clear()
        base_file, ratio = self.config.alpsbench, self.config.base_per_own
        base = self._counted(alpsbench.NAME, streamed(alpsbench.read_alpsbench(base_file) if base_file else ()))
        try:
            if ratio is not None:
                async for item in mix(self._own(), base, ratio, Mixed()):
                    yield item
                return
            async for item in self._own():
                yield item
            async for item in base:
                yield item
        except ImportFileError as error:
            raise InputFileError(str(error)) from error

    def infos(self) -> tuple[SourceInfo, ...]:
        """Return what was read of each source."""
        wanted: dict[str, Path | None] = {of_ledger.NAME: None} if self.config.ledger else {}
        wanted |= {jsonl.NAME: self.config.jsonl} if self.config.jsonl else {}
        wanted |= {alpsbench.NAME: self.config.alpsbench} if self.config.alpsbench else {}
        return tuple(
            SourceInfo(
                name=name,
                path=str(path) if path else None,
                sha256=file_sha256(path) if path else None,
                records=self._records[name],
                skipped=dict(sorted(self._skipped.get(name, Counter()).items())),
            )
            for name, path in wanted.items()
        )

    async def consent(self) -> ConsentSnapshot | None:
        """Return who agreed; None where the ledger is no source."""
        return await self._exported.snapshot() if self._exported else None

    async def _own(self) -> AsyncIterator[Record | Skipped]:
        if self._exported is not None:
            async for item in self._counted(of_ledger.NAME, self._exported.records()):
                yield item
        if self.config.jsonl is not None:
            read = jsonl.read_jsonl(self.config.jsonl, self.identity.secret)
            async for item in self._counted(jsonl.NAME, streamed(read)):
                yield item

    async def _counted(self, name: str, items: AsyncIterator[Record | Skipped]) -> AsyncIterator[Record | Skipped]:
        async for item in items:
            if isinstance(item, Skipped):
                self._skipped.setdefault(name, Counter())[item.reason] += 1
            else:
                self._records[name] += 1
            yield item
