"""What judging costs a GRPO step, in the paper's pattern and in ours: seconds, calls, prompt tokens, and the time line.

The real verl trains a tiny model on the CPU, once with `mode = "paper"` and once with `mode = "shared"` in the judge's
file. All else is the same: rows and their order, model, lengths, and one scripted judge on real HTTP that takes a
stated time for each call and so many calls at once; more wait for their turn. A call takes as long in both patterns,
although the paper's writes criteria each time and ours a few numbers: that favours the paper. It needs
`make setup-train` and a few minutes:

    python -m tests.benchmarks.judge_patterns --seconds 1 --at-once 8
"""

from __future__ import annotations

import argparse
import asyncio
import shutil
import sys
import tempfile
import time
import zlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from tests.fakes.examples import example, words
from tests.fakes.gate import Gate
from tests.fakes.judging import grading, reply_in
from tests.fakes.road_server import RULER
from tests.fakes.scripted_answers import Answer, Scripted, reply
from tests.fakes.scripted_server import Recorded, ScriptedServer
from tests.fakes.smoke_run import write_data, write_judge, write_run
from training.errors import EngineError
from training.example import Example, Memory
from training.grpo import TIMELINE
from training.peregrm.config import load_judge_config
from training.peregrm.pools import write_pools
from training.steps import Step, read_steps
from training.timeline import Judged, draw, overlaps, read_timeline

PEOPLE, STEPS, QUERIES, REPLY_TOKENS = 24, 3, 2, 96
PATTERNS = {"paper": "the paper's pattern", "shared": "shared rulers"}
"""By the judge's `mode`."""


class Turn(Gate):
    """A call's place at a busy server: passed when it had its turn."""

    def __init__(self, places: asyncio.Semaphore, seconds: float) -> None:
        super().__init__()
        self._places, self._seconds = places, seconds

    async def passing(self) -> None:
        """Wait for a free place and hold it for the call's time."""
        async with self._places:
            await asyncio.sleep(self._seconds)


class BusyJudge(ScriptedServer):
    """Takes a time for each score and so many at once; writes rulers at once, for that is done before training."""

    def __init__(self, seconds: float, at_once: int) -> None:
        super().__init__()
        self._seconds, self._places = seconds, asyncio.Semaphore(at_once)
        self._judge = grading(lambda text, _: 0.2 + 0.8 * (zlib.crc32(text.encode()) % 97) / 97)
        self.arrived: list[tuple[float, Recorded]] = []

    def choose(self, request: Recorded) -> Scripted:
        """Answer a call, and note when it came."""
        if request.path != "/v1/chat/completions":
            return super().choose(request)
        self.arrived.append((time.time(), request))
        if request.json.get("response_format", {}).get("json_schema", {}).get("name") == "ruler":
            return reply(RULER)
        answer = self._judge(request)
        assert isinstance(answer, Answer)
        return replace(answer, pieces=(Turn(self._places, self._seconds), *answer.pieces))


@dataclass(frozen=True, slots=True)
class Trained:
    """One run under one pattern."""

    pattern: str
    judged: list[Judged]
    steps: list[Step]
    asked: dict[int, list[Recorded]]
    """By step."""


def someone(number: int) -> Example:
    """A person of about 350 words, as docs/performance.md has them."""
    name = f"person_{number:02}"
    return example(
        name,
        persona=words(f"{name} persona", 120),
        situation=words(f"{name} situation", 40),
        memory=tuple(Memory(words(f"{name} memory {n}", 14)) for n in range(12)),
    )


async def measured(work: Path, server: BusyJudge, data: Path, mode: str, judge: Path) -> Trained:
    """Train under one pattern with the real command.

    Raises:
        EngineError: it failed, or was asked otherwise than it noted.
    """
    settings: dict[str, dict[str, Any]] = {
        "data": {"max_response_length": REPLY_TOKENS, "train_batch_size": QUERIES},
        # So many at once that some are judged while others wait.
        "actor_rollout_ref": {"rollout": {"max_num_seqs": 2}},
        "trainer": {"total_training_steps": STEPS, "save_freq": STEPS},
    }
    config = write_run(work, data, judge, settings, out=mode)
    command = [sys.executable, "-m", "training.cli", "grpo", "--config", str(config)]
    running = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.DEVNULL)
    if await running.wait():
        raise EngineError(f"training in {PATTERNS[mode]} failed; see {work / mode / 'verl.log'}")
    judged = read_timeline(work / mode / TIMELINE)
    asked = {
        step: [request for at, request in server.arrived if first <= at <= last]
        for step in {one.step for one in judged}
        for first in [min(one.written_at for one in judged if one.step == step)]
        for last in [max(one.judged_at for one in judged if one.step == step)]
    }
    for one in overlaps(judged):
        if len(asked[one.step]) != one.calls:
            raise EngineError(f"step {one.step} noted {one.calls} calls, the server counts {len(asked[one.step])}")
    return Trained(PATTERNS[mode], judged, read_steps(work / mode), asked)


def table(runs: Sequence[Trained], tokenizer: Any) -> str:
    """Return each step of each pattern in Markdown."""
    lines = [
        "| pattern | step | seconds | writing and judging | from the first reply judged to the last "
        "| of it while others were written | waiting for the judge alone | calls | prompt tokens |",
        "|---|---:|---:|---:|---:|---:|---:|---:|---:|",
    ]
    for run in runs:
        of = {step.number: step.figures for step in run.steps}
        for one in overlaps(run.judged):
            mine = [rollout for rollout in run.judged if rollout.step == one.step]
            wall = max(rollout.judged_at for rollout in mine) - min(rollout.written_at for rollout in mine)
            seconds = [of[one.step][name] for name in ("timing_s/step", "timing_s/gen")]
            lines.append(
                f"| {run.pattern} | {one.step} | {seconds[0]:.1f} | {seconds[1]:.1f} | {wall:.1f} "
                f"| {1 - one.alone / wall:.0%} | {one.alone:.1f} | {one.calls} "
                f"| {tokens(run.asked[one.step], tokenizer):,} |"
            )
    return "\n".join(lines)


def tokens(asked: Sequence[Recorded], tokenizer: Any) -> int:
    """Count what prompts hold."""
    prompts = [list(request.json["messages"]) for request in asked]
    return sum(
        len(tokenizer.apply_chat_template(one, add_generation_prompt=True, return_dict=False)) for one in prompts
    )


def same_replies(runs: Sequence[Trained]) -> str:
    """Say how many replies of the first step, before the policies part, the runs have in common."""
    said = [{reply_in(request.json) for request in run.asked[1]} for run in runs]
    return f"Of the first step's {len(said[0])} different replies, {len(set.intersection(*said))} came in both runs."


def picture(runs: Sequence[Trained], path: Path) -> None:
    """Draw the last step of each pattern, one below the other over the same seconds."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9, 2.6 * len(runs)), layout="constrained")
    for axes, run in zip(figure.subplots(len(runs), sharex=True), runs, strict=True):
        one = overlaps(run.judged)[-1]
        step = next(step for step in run.steps if step.number == one.step)
        draw(axes, [rollout for rollout in run.judged if rollout.step == one.step], step)
        axes.set_title(
            f"{run.pattern}: {one.calls} calls, {one.alone:.1f} s of waiting for the judge alone", fontsize=9
        )
    axes.set_xlabel(f"seconds of step {one.step}")
    axes.legend(fontsize=8)
    figure.savefig(path, dpi=120)


async def compare(work: Path, options: argparse.Namespace) -> str:
    """Train in both patterns, draw, and return the figures."""
    async with BusyJudge(options.seconds, options.at_once) as server:
        way = f"rounds = {options.rounds}\n"
        judges = {
            mode: write_judge(work, server.base_url, f"{way}mode = '{mode}'\n", f"{mode}.toml") for mode in PATTERNS
        }
        data = write_data(work / "data", map(someone, range(PEOPLE)))
        rows = await write_pools(data, load_judge_config(judges["shared"]), options.rounds)
        rulers = [request for _, request in server.arrived]
        runs = [await measured(work, server, data, mode, judges[mode]) for mode in PATTERNS]
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(work / "model")
    picture(runs, options.picture)
    return (
        f"{table(runs, tokenizer)}\n\nThe rulers of a query, written once before training: {len(rulers) / rows:.0f} "
        f"calls, {tokens(rulers, tokenizer) / rows:,.0f} prompt tokens; a step has {QUERIES} queries. "
        f"{same_replies(runs)}"
    )


def main() -> None:
    """Measure in a directory that is removed when all went well, and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=1.0, help="How long the judge's server takes for each call.")
    parser.add_argument("--at-once", type=int, default=8, help="How many calls it answers at a time.")
    parser.add_argument("--rounds", type=int, default=4, help="K of the judge.")
    parser.add_argument("--picture", type=Path, default=Path("docs/pictures/judge_patterns.png"))
    options = parser.parse_args()
    work = Path(tempfile.mkdtemp(prefix="attune-"))
    found = asyncio.run(compare(work, options))
    shutil.rmtree(work)
    print(found)  # noqa: T201


if __name__ == "__main__":
    main()
