"""`make prove-learning`: does GRPO with our reward learn to adapt the strategy to the person whom the memories show?

For each seed one trial (training.learning.trial); then, over the held-out people of all seeds, the mean reward of the
policy before and after, with full, no, and another person's memories, and the best that a policy can reach which does
not know whom it talks to. Ends with status 1 when what is claimed does not hold. docs/learning.md says what this shows
and what not. A run that was cut off goes on where it was when it is started again with the same numbers.
"""

from __future__ import annotations

import json
import signal
import sys
import time
from argparse import ArgumentParser
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean

from training.curves import plot
from training.errors import ConfigError, TrainingError
from training.learning.interval import Interval, interval
from training.learning.judge_server import serving
from training.learning.trial import CONDITIONS, POLICIES, RUN, Result, Trial
from training.learning.world import load_world
from training.peregrm.verdict import identity
from training.steps import read_steps

STEPS, SEEDS = 120, 3
OUT = Path("runs/learning")


@dataclass(frozen=True, slots=True)
class Claim:
    """One thing that the run is to show."""

    text: str
    holds: bool


def summary(results: Sequence[Result]) -> dict[tuple[str, str], Interval]:
    """Return the interval of each policy and condition over the held-out people of all seeds."""
    return {
        (policy, condition): interval([value for one in results for value in one.scores[policy][condition].values()])
        for policy in POLICIES
        for condition in CONDITIONS
    }


def bar(results: Sequence[Result]) -> float:
    """Return the best mean of a memory-blind policy, which may even be another for each seed."""
    people = [(one.blind_best, len(one.generic)) for one in results]
    return sum(best * count for best, count in people) / sum(count for _, count in people)


def claims(results: Sequence[Result]) -> list[Claim]:
    """Return what is claimed and whether it holds."""
    found, best = summary(results), bar(results)
    final, start = found["final", "full"], found["start", "full"]
    none, other = found["final", "none"], found["final", "mismatched"]
    echo = all(one.echo[person] <= one.generic[person] for one in results for person in one.generic)
    return [
        Claim(
            f"the final interval lies above the best memory-blind policy: {final.low:.3f} > {best:.3f}",
            final.low > best,
        ),
        Claim(f"the final interval lies above the start's: {final.low:.3f} > {start.high:.3f}", final.low > start.high),
        Claim(f"full memories beat none: {final.low:.3f} > {none.high:.3f}", final.low > none.high),
        Claim(f"none beat another person's: {none.mean:.3f} > {other.mean:.3f}", none.mean > other.mean),
        Claim("with nobody does saying back a memory earn more than the generic reply", echo),
    ]


def table(results: Sequence[Result]) -> str:
    """Return the table of docs/learning.md, in Markdown."""
    found = summary(results)
    people = found["final", "full"].people
    lines = [
        f"Mean reward of {people} held-out people over {len(results)} seeds, 95 % interval by person; 0.2 to 1.",
        "",
        "| | full memories | no memories | another person's |",
        "|---|---|---|---|",
        *(
            f"| {policy} | " + " | ".join(str(found[policy, condition]) for condition in CONDITIONS) + " |"
            for policy in POLICIES
        ),
        f"| best memory-blind policy, exactly | {bar(results):.3f} | {bar(results):.3f} | {bar(results):.3f} |",
        f"| the generic reply | {_mean(results, 'generic')} | | |",
        f"| saying a memory back | {_mean(results, 'echo')} | | |",
        "",
        *(
            f"Seed {one.seed}: full memories {fmean(one.scores['start']['full'].values()):.3f} → "
            f"{fmean(one.scores['final']['full'].values()):.3f} in {one.steps} steps; blind {one.blind_best:.3f}."
            for one in results
        ),
    ]
    return "\n".join(lines)


def prove(out: Path, seeds: int, steps: int) -> list[Result]:
    """Run the trials of seeds 1 to `seeds`, and write each one's curves and the table to `out`.

    Raises:
        TrainingError: a stage failed.
    """
    _claim(out, steps)
    world, results = load_world(), []
    with serving(world) as judge_url:
        for seed in range(1, seeds + 1):
            directory = out / f"seed-{seed}"
            trial = Trial(world, seed, steps, directory, lambda line, seed=seed: _say(f"seed {seed}: {line}"))  # type: ignore[misc]
            results.append(trial.run(judge_url))
            plot(read_steps(directory / "grpo"), out / f"curves-{seed}.png")
    (out / "table.md").write_text(table(results) + "\n", encoding="utf-8")
    return results


def main() -> None:
    """Run the proof and report; leave with status 1 and the reason when a part fails or a claim does not hold."""
    parser = ArgumentParser(prog="make prove-learning", description=__doc__.partition("\n")[0] if __doc__ else None)
    parser.add_argument("--seeds", type=int, default=SEEDS, help=f"how many trials (default {SEEDS})")
    parser.add_argument("--steps", type=int, default=STEPS, help=f"GRPO steps of each (default {STEPS})")
    parser.add_argument("--out", type=Path, default=OUT, help=f"where everything goes (default {OUT})")
    given = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("prove-learning was stopped; start it again and it goes on"))
    started = time.monotonic()
    try:
        results = prove(given.out.absolute(), given.seeds, given.steps)
    except TrainingError as error:
        sys.exit(f"prove-learning failed: {error}")
    found = claims(results)
    _say(f"\n{table(results)}\n")
    for claim in found:
        _say(f"{'holds' if claim.holds else 'FAILS'}: {claim.text}")
    _say(f"{time.monotonic() - started:.0f} s; curves and table in {given.out}")
    if not all(claim.holds for claim in found):
        sys.exit("prove-learning failed: not everything that it claims holds")


def _claim(out: Path, steps: int) -> None:
    """Take `out`, or go on in it when it was begun with the same steps, world and settings of verl."""
    out.mkdir(parents=True, exist_ok=True)
    noted = out / "plan.json"
    plan = {"steps": steps, "made from": identity(load_world().model_dump(), RUN.read_text(encoding="utf-8"))}
    if not noted.exists():
        noted.write_text(json.dumps(plan), encoding="utf-8")
    elif json.loads(noted.read_text(encoding="utf-8")) != plan:
        raise ConfigError(f"{out} was begun with other steps, or another world; remove it or give another --out")


def _mean(results: Sequence[Result], name: str) -> str:
    return f"{fmean(value for one in results for value in getattr(one, name).values()):.3f}"


def _say(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
