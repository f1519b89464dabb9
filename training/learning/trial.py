"""One seed of `make prove-learning`: people, data set, teaching, GRPO, replies of both policies, their scores.

Each stage leaves its result in the seed's directory and is passed over when it is there; GRPO goes on from its newest
checkpoint. What the held-out people say is scored by the judge of the training over HTTP, and a reply that could not
be scored ends the trial.
"""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from statistics import fmean
from typing import Any

from training.child import child, tail
from training.errors import EngineError
from training.example import CriteriaSet, Example
from training.grpo import CHECKOUT, newest_checkpoint, train
from training.grpo_config import GrpoConfig, load_grpo_config
from training.learning.judge_server import MODEL
from training.learning.lessons import lessons
from training.learning.world import (
    Population,
    World,
    blind_best,
    examples,
    mismatched,
    populate,
    prompt,
    require_unseen,
)
from training.peregrm.case import Case, Reply
from training.peregrm.config import load_judge_config
from training.peregrm.judge import Judge
from training.peregrm.verdict import Unscored
from training.personaemp.dataset import Writer, read_examples
from training.personaemp.identity import Identity
from training.personaemp.manifest import BuildInfo
from training.reward import earned
from training.steps import Step

RUN = CHECKOUT / "configs/grpo-learning.yaml"
PYTHON = CHECKOUT / ".venv-train/bin/python"
CONDITIONS = ("full", "none", "mismatched")
POLICIES = ("start", "final")
LESSONS = 9_600
SAMPLES = 4
"""Replies of each policy to each prompt."""

Tell = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Result:
    """What one seed showed."""

    seed: int
    steps: int
    scores: dict[str, dict[str, dict[str, float]]]
    """Policy, then memories, then held-out person: the mean reward of the replies."""
    generic: dict[str, float]
    """What the generic reply earns with each person."""
    echo: dict[str, float]
    """The most that saying back one of their memories earns."""
    blind_best: float


@dataclass(frozen=True, slots=True)
class Trial:
    """One seed."""

    world: World
    seed: int
    steps: int
    directory: Path
    tell: Tell

    def run(self, judge_url: str) -> Result:
        """Do whatever is not yet done.

        Raises:
            TrainingError: a stage failed; the message says which and why.
        """
        done = self.directory / "result.json"
        if not done.exists():
            self.directory.mkdir(parents=True, exist_ok=True)
            people = populate(self.world, self.seed)
            self._prepare(people, judge_url)
            start = self._teach()
            final = self._train()
            self._keep(done, json.dumps(asdict(asyncio.run(self._measure(people, start, final)))))
        return Result(**json.loads(done.read_text(encoding="utf-8")))

    def _prepare(self, people: Population, judge_url: str) -> None:
        """Write lessons, data set and the judge's file, and see that nobody who is held out stands in the first two."""
        taught = list(lessons(self.world, people.train, LESSONS, self.seed))
        rows = [{"messages": one.messages, "answer": one.answer} for one in taught]
        self._keep(self.directory / "lessons.jsonl", "".join(json.dumps(row) + "\n" for row in rows))
        data = self.directory / "data"
        if not data.exists():
            write_dataset(self.world, people, data, self.seed)
        trained = list(read_examples(data, "train"))
        known = [message["content"] for one in (*taught, *trained) for message in _messages(one)]
        require_unseen(people, known)
        (self.directory / "judge.toml").write_text(
            f"rounds = 1\ncalls = 'all_in_one'\n[endpoint]\nmodel = '{MODEL}'\nbase_url = '{judge_url}'\n"
            f"[limits]\nslots_dir = '{self.directory.absolute() / 'slots'}'\n",
            encoding="utf-8",
        )
        self.tell(
            f"{len(taught)} lessons, {len(trained)} rows of {len(people.train)} people; {len(people.held_out)} held out"
        )

    def _teach(self) -> Path:
        taught, partial = self.directory / "taught", self.directory / "taught.partial"
        if not taught.exists():
            shutil.rmtree(partial, ignore_errors=True)
            self._python("teach", str(partial), str(self.directory / "lessons.jsonl"), "--seed", str(self.seed))
            partial.rename(taught)
        return taught

    def _train(self) -> Path:
        config = self._config()
        checkpoint = newest_checkpoint(config.attune.out)
        if checkpoint is None or checkpoint.name != f"global_step_{self.steps}":
            # Ray's sockets need a short path.
            with tempfile.TemporaryDirectory(prefix="ray-", ignore_cleanup_errors=True) as short:
                config.verl["ray_kwargs"] = {"ray_init": {"_temp_dir": short}}
                checkpoint = train(config, self._tell_step).checkpoint
        return checkpoint / "actor/huggingface"

    def _config(self) -> GrpoConfig:
        loaded = load_grpo_config(RUN).model_dump(mode="json")
        paths = {"data": "data", "judge": "judge.toml", "out": "grpo"}
        loaded["attune"] |= {name: str(self.directory.absolute() / path) for name, path in paths.items()}
        loaded["attune"]["environment"] = str(PYTHON.parent.parent)
        loaded["verl"]["actor_rollout_ref"]["model"]["path"] = str(self.directory.absolute() / "taught")
        loaded["verl"]["data"]["seed"] = self.seed
        loaded["verl"]["trainer"]["total_training_steps"] = self.steps
        return GrpoConfig.model_validate(loaded)

    async def _measure(self, people: Population, start: Path, final: Path) -> Result:
        asked, prompts = _questions(self.world, people, self.seed)
        written = self.directory / "prompts.jsonl"
        self._keep(written, "".join(json.dumps(one) + "\n" for one in prompts))
        scores: dict[str, dict[str, dict[str, float]]] = {}
        async with Judge.open(load_judge_config(self.directory / "judge.toml")) as judge:
            for policy, model in zip(POLICIES, (start, final), strict=True):
                said = self.directory / f"replies-{policy}.jsonl"
                options = ("--samples", str(SAMPLES), "--seed", str(self.seed))
                await asyncio.to_thread(self._python, "speak", str(model), str(written), str(said), *options)
                replies = [json.loads(line) for line in said.read_text(encoding="utf-8").splitlines()]
                scores[policy] = await _scores(judge, asked, replies)
            everyone = [examples(self.world, one, self.world.queries.held_out)[0] for one in people.held_out]
            plain = [(one, self.world.replies.generic) for one in everyone]
            back = [(one, self.world.echo(memory.text)) for one in everyone for memory in one.memory]
            generic, echo = await _best(judge, plain), await _best(judge, back)
        return Result(self.seed, self.steps, scores, generic, echo, blind_best(self.world, people.held_out))

    def _python(self, module: str, *arguments: str) -> None:
        """Run a module of ours in verl's environment, telling what it says."""
        log = self.directory / f"{module}.log"
        command = [str(PYTHON), "-m", f"training.learning.{module}", *arguments]
        quiet = {"PYTHONPATH": str(CHECKOUT), "HF_HUB_OFFLINE": "1", "HF_HUB_DISABLE_PROGRESS_BARS": "1"}
        self.tell(f"{module} …")
        with child(module, command, log=log, environment=quiet, cwd=self.directory.absolute()) as running:
            running.process.wait()
            if running.process.returncode:
                raise EngineError(f"{module} ended with status {running.process.returncode}:\n{tail(log)}")
        self.tell(tail(log, 1))

    def _tell_step(self, step: Step, total: int | None, _seconds: float) -> None:
        took = step.get("timing_s/step") or 0.0
        left = (total or step.number) - step.number
        self.tell(
            f"step {step.number}/{total}: reward {step.get('critic/score/mean') or 0.0:.3f}, "
            f"{took:.1f} s, {left * took:.0f} s left"
        )

    def _keep(self, path: Path, text: str) -> None:
        """Write a whole file or none."""
        partial = path.with_name(f"{path.name}.partial")
        partial.write_text(text, encoding="utf-8")
        os.replace(partial, path)


def _messages(one: Any) -> Any:
    return one.prompt if isinstance(one, Example) else one.messages


def write_dataset(world: World, people: Population, data: Path, seed: int) -> None:
    """Write everybody's rows; the held-out people test, with queries of their own."""
    identity = Identity("set_learning", f"{seed:064x}", datetime(2026, 1, 1, tzinfo=UTC))
    with Writer.open(data, identity) as writer:
        for group, queries in ((people.train, world.queries.train), (people.held_out, world.queries.held_out)):
            for person in group:
                for example in examples(world, person, queries):
                    writer.add(example)
        writer.finish(people.rule, BuildInfo(preset="learning"))


def _questions(world: World, people: Population, seed: int) -> tuple[list[tuple[str, Example]], list[Any]]:
    """Return what the held-out people ask under each condition, and the prompts that the policy sees."""
    others = mismatched(people.held_out, seed)
    asked, prompts = [], []
    for person in people.held_out:
        known = {"full": person.memories, "none": (), "mismatched": others[person.id].memories}
        for example in examples(world, person, world.queries.held_out):
            for condition in CONDITIONS:
                asked.append((condition, example))
                prompts.append(prompt(known[condition], example.query))
    return asked, prompts


async def _scores(
    judge: Judge, asked: list[tuple[str, Example]], replies: list[list[str]]
) -> dict[str, dict[str, float]]:
    """Return each person's mean reward under each condition."""
    rewards = await asyncio.gather(
        *(_reward(judge, one, text) for (_, one), said in zip(asked, replies, strict=True) for text in said)
    )
    found: dict[str, dict[str, list[float]]] = {condition: {} for condition in CONDITIONS}
    for place, (condition, example) in enumerate(asked):
        found[condition].setdefault(example.person, []).extend(rewards[place * SAMPLES : (place + 1) * SAMPLES])
    return {name: {person: fmean(values) for person, values in one.items()} for name, one in found.items()}


async def _best(judge: Judge, said: list[tuple[Example, str]]) -> dict[str, float]:
    rewards = await asyncio.gather(*(_reward(judge, one, text) for one, text in said))
    best: dict[str, float] = {}
    for (example, _), value in zip(said, rewards, strict=True):
        best[example.person] = max(value, best.get(example.person, value))
    return best


async def _reward(judge: Judge, example: Example, text: str) -> float:
    outcome = await judge.score(Case.of(example), Reply.of(text), _rulers(example))
    if isinstance(outcome, Unscored):
        raise EngineError(f"a reply could not be scored ({outcome.reason}): {outcome.message}")
    return earned(outcome, judge.config).value


def _rulers(example: Example) -> dict[str, Sequence[CriteriaSet]]:
    return {str(name): sets for name, sets in example.criteria.items()}
