"""Criteria: rulers for one query and dimension, written by a model before any reply exists.

A ruler that breaks a rule (rules.py) is asked for again. Nothing of a reply is ever part of the question, so no ruler
can be bent to fit one.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from memory.template import fill, load
from training.call_accounts import Account
from training.caller import Caller
from training.calls import Call, CallError
from training.errors import DatasetError
from training.example import CriteriaSet, Criterion, Dimension, Example
from training.peregrm.case import Case
from training.peregrm.config import JudgeConfig, PoolConfig
from training.peregrm.fence import line
from training.peregrm.prompts import PACKAGE, described, person
from training.peregrm.rubric import Measure, Preset, load_rubric
from training.peregrm.rules import fault
from training.peregrm.verdict import identity


class PoolWriter:
    """Writes rulers with one model; open it with `open`."""

    def __init__(self, config: PoolConfig, preset: str, caller: Caller, seed: int) -> None:
        self.config = config
        self.identity = writer_identity(config, preset)
        self._preset = load_rubric().presets[preset]
        self._caller = caller
        self._seed = seed

    @classmethod
    @asynccontextmanager
    async def open(cls, config: JudgeConfig, cache: Path | None = None) -> AsyncIterator[PoolWriter]:
        """Open the connections.

        Raises:
            DatasetError: the configuration names no writer, or its preset uses no criteria.
            TrainingError: see `Caller.open`.
        """
        if config.criteria is None or not load_rubric().presets[config.preset].criteria:
            raise DatasetError(
                f"preset {config.preset} with this configuration writes no criteria; set [criteria.endpoint]"
            )
        async with Caller.open(config.criteria.endpoint, cache) as caller:
            yield cls(config.criteria, config.preset, caller, config.seed)

    @property
    def accounts(self) -> Mapping[str, Account]:
        """What was asked and what came back."""
        return self._caller.accounts

    async def check(self) -> None:
        """Return when the server is there and has the model."""
        await self._caller.check()

    async def fill(self, example: Example, count: int) -> Example:
        """Return the example with `count` rulers for each dimension; those this writer already wrote are kept.

        Raises:
            CallError: the server fails.
            DatasetError: it does not write a ruler that keeps the rules.
        """
        names: list[Dimension] = list(self._preset.dimensions)  # type: ignore[arg-type]
        kept = {
            name: tuple(one for one in example.criteria.get(name, ()) if one.writer == self.identity)[:count]
            for name in names
        }
        wanted = [(name, n) for name in names for n in range(len(kept[name]), count)]
        written = await asyncio.gather(*(self._ruler(example, name, n) for name, n in wanted))
        for (name, _), ruler in zip(wanted, written, strict=True):
            kept[name] = (*kept[name], ruler)
        return replace(example, criteria=kept)

    async def _ruler(self, example: Example, name: Dimension, n: int) -> CriteriaSet:
        case, config = Case.of(example), self.config
        measure = load_rubric().measures[name]
        broken = ""
        for turn in range(config.tries):
            call = Call(
                ({"role": "user", "content": pool_prompt(case, measure, self._preset, config, n)},),
                _schema(config),
                seed=self._seed + n * 1000 + turn,
                tag="criteria",
                owner=case.person,
            )
            try:
                answer = await self._caller.ask(call)
            except CallError as error:
                if error.kind not in ("garbled", "schema", "length"):
                    raise
                broken = str(error)
                continue
            ruler = _ruler_of(answer.value, self.identity)
            broken = fault(ruler, case.memories)
            if not broken:
                return ruler
        raise DatasetError(
            f"no ruler for {name} of example {example.id} after {config.tries} tries: {broken}; use a stronger model"
            " for criteria.endpoint, or raise criteria.tries"
        )


def pool_prompt(case: Case, measure: Measure, preset: Preset, config: PoolConfig, n: int) -> str:
    """Return what asks for the `n`th ruler; what all rulers of a person share stands first."""
    return fill(
        load(PACKAGE, "criteria.md"),
        dimension=measure.name,
        measures=described([load_rubric().measures[name] for name in preset.dimensions]),
        person=person(case, preset),
        query=line("query", case.query),
        fewest=str(config.fewest),
        most=str(config.most),
        variety=f"This is ruler {n + 1} of several: find what the others may overlook." if n else "",
    ).strip()


def writer_identity(config: PoolConfig, preset: str) -> str:
    """Return who writes: a hash of the model alone, then one of model, sampling, prompt and rubric."""
    texts = [load(PACKAGE, "criteria.md"), load(PACKAGE, "rubric.toml")]
    whole = identity(config.endpoint.identity, texts, preset, config.fewest, config.most)
    return f"{identity(config.endpoint.model)}-{whole}"


def _ruler_of(value: Any, writer: str) -> CriteriaSet:
    return CriteriaSet(
        tuple(Criterion(" ".join(str(one["text"]).split()), float(one["weight"])) for one in value["criteria"]), writer
    )


def _schema(config: PoolConfig) -> Mapping[str, Any]:
    criterion = {
        "type": "object",
        "properties": {
            "text": {"type": "string", "minLength": 1, "maxLength": 240},
            "weight": {"type": "integer", "minimum": 1, "maximum": 100},
        },
        "required": ["text", "weight"],
        "additionalProperties": False,
    }
    items = {"type": "array", "items": criterion, "minItems": config.fewest, "maxItems": config.most}
    return {
        "title": "ruler",
        "type": "object",
        "properties": {"criteria": items},
        "required": ["criteria"],
        "additionalProperties": False,
    }
