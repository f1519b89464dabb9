"""What the steps of a retraining share: the configurations, the journal, the ledger, and how a command is run."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from assistant.config import AssistantConfig, load_config
from memory.ledger.ledger import Ledger
from training.child import POLL_S, child, tail
from training.errors import EngineError
from training.evaluation.config import EvaluateConfig, load_evaluate_config
from training.grpo_config import GrpoConfig, load_grpo_config
from training.peregrm.config import JudgeConfig, load_judge_config
from training.personaemp.build_config import BuildConfig, load_build_config
from training.retraining.collect import Held
from training.retraining.config import RetrainConfig
from training.retraining.journal import Journal

T = TypeVar("T")

_QUOTED_LINES = 30
_PATIENCE_S = 60.0
"""For a command that is asked to end; it has engines to end first."""


@dataclass
class Road:
    """One retraining under way; `open` reads all its files, so that a misspelt one is known at once."""

    config: RetrainConfig
    journal: Journal
    say: Callable[[str], None]
    attune: AssistantConfig
    build: BuildConfig
    judge: JudgeConfig
    grpo: GrpoConfig
    evaluate: EvaluateConfig
    held: Held | None = None
    """What the consenting people hold; None where the ledger is no source."""

    @classmethod
    def open(cls, config: RetrainConfig, journal: Journal, say: Callable[[str], None] = lambda _line: None) -> Road:
        """Read every configuration.

        Raises:
            TrainingError, AttuneError: one is missing or wrong; it is named.
        """
        return cls(
            config,
            journal,
            say,
            load_config(config.attune),
            load_build_config(config.data),
            load_judge_config(config.judge),
            load_grpo_config(config.train),
            load_evaluate_config(config.evaluate),
        )

    @property
    def work(self) -> Path:
        """The work directory, absolute, because some commands run elsewhere."""
        return self.config.work.absolute()

    def output(self, step: str, name: str) -> str:
        """Return what a step that is done gave."""
        return str(self.journal.entries[step].outputs[name])

    @property
    def data(self) -> Path:
        """The data set of this round."""
        return Path(self.output("build", "data"))

    @property
    def weights(self) -> Path:
        """The weights of this round."""
        return Path(self.output("train", "weights"))

    @property
    def version(self) -> str:
        """What the policy of this round is called."""
        return f"{self.config.rollout.prefix}-{self.output('train', 'sha256')[:10]}"

    def with_ledger(self, work: Callable[[Ledger], Awaitable[T]]) -> T:
        """Open the ledger and do the work."""

        async def run() -> T:
            async with Ledger.open(self.attune.memory_config) as ledger:
                return await work(ledger)

        return asyncio.run(run())

    def run(self, step: str, module: str, *arguments: str, allowed: tuple[int, ...] = (0,)) -> str:
        """Run one of our commands, passing its lines on, and return what it said.

        Raises:
            EngineError: it ended with another status than the allowed ones; its last lines are quoted.
        """
        log = self.work / "logs" / f"{step}.log"
        log.parent.mkdir(exist_ok=True)
        named = {} if self.config.attune is None else {"ATTUNE_CONFIG": str(self.config.attune.absolute())}
        environment = {**named, "PYTHONUNBUFFERED": "1"}
        command, noted = [sys.executable, "-m", module, *arguments], log.with_suffix(".pid")
        _end_left_over(noted, module)
        with child(step, command, log=log, environment=environment, patience_s=_PATIENCE_S) as running:
            noted.write_text(str(running.process.pid), encoding="utf-8")
            told = 0
            while True:
                ended = running.process.poll() is not None
                lines = log.read_text(encoding="utf-8", errors="replace").splitlines(keepends=True)
                whole = lines if ended else [line for line in lines if line.endswith("\n")]
                for line in whole[told:]:
                    self.say(f"  {line.rstrip()}")
                told = max(told, len(whole))
                if ended:
                    break
                time.sleep(POLL_S)
        if running.process.returncode not in allowed:
            asked = " ".join((module.partition(".")[0], *arguments))
            raise EngineError(
                f"{step} failed (status {running.process.returncode}): {asked}\n{tail(log, _QUOTED_LINES)}\n"
                f"Log: {log}. Repair what it names and run the same command again: what is done stays done"
            )
        noted.unlink()
        return log.read_text(encoding="utf-8", errors="replace")


def _end_left_over(noted: Path, module: str) -> None:
    """End the command that a retraining which was killed has left running, with everything that it started."""
    if not noted.exists():
        return
    process = int(noted.read_text(encoding="utf-8") or 0)
    for step in (signal.SIGTERM, signal.SIGKILL):
        if not _runs(process, module):
            return
        with suppress(ProcessLookupError):
            os.kill(process, step)
        deadline = time.monotonic() + _PATIENCE_S
        while _runs(process, module) and time.monotonic() < deadline:
            time.sleep(POLL_S)


def _runs(process: int, module: str) -> bool:
    """Say whether a process is that command and not one that got its number later; False where that cannot be told."""
    try:
        return module.encode() in Path(f"/proc/{process}/cmdline").read_bytes().split(b"\0")
    except OSError:
        return False
