"""`attune-train`: from conversations to a better policy, and the measurements on the way.

Only what a command needs is imported, when it runs.
"""

from __future__ import annotations

import signal
import sys

import typer

from training.benchmarks.emobench_cli import bench_emobench
from training.benchmarks.eqbench3_cli import bench_eqbench3
from training.benchmarks.judge_cost_cli import bench_judge_cost
from training.benchmarks.memory_cli import bench_memory_update, bench_retrieval
from training.benchmarks.persona_cli import bench_persona
from training.benchmarks.safety_cli import bench_safety
from training.evaluation.cli import evaluate
from training.grpo_cli import grpo
from training.peregrm.cli import criteria, judge_check, judge_simulate
from training.personaemp.cli import data
from training.promote_cli import promote
from training.retrain_cli import retrain
from training.safety_screen.cli import safety_screen
from training.sft_cli import sft

app = typer.Typer(
    name="attune-train",
    help="Training and measurements for Attune.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
bench = typer.Typer(help="Measure a part of the assistant on data with known answers.", no_args_is_help=True)
app.add_typer(bench, name="bench")
app.add_typer(data, name="data")
bench.command("persona")(bench_persona)
bench.command("safety")(bench_safety)
bench.command("retrieval")(bench_retrieval)
bench.command("memory-update")(bench_memory_update)
bench.command("judge-cost")(bench_judge_cost)
bench.command("emobench")(bench_emobench)
bench.command("eqbench3")(bench_eqbench3)
app.command("evaluate")(evaluate)
app.command("grpo")(grpo)
app.command("sft")(sft)
app.command("criteria")(criteria)
app.command("judge-check")(judge_check)
app.command("judge-simulate")(judge_simulate)
app.command("promote")(promote)
app.command("safety-screen")(safety_screen)
app.command("retrain")(retrain)


@app.callback()
def _root() -> None:
    """Keep `bench` a command of its own, also while it is the only one."""


def main() -> None:
    """Run the command line; on SIGTERM what a command started is stopped before it ends."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("stopped; run the same command again, and it goes on"))
    app()


if __name__ == "__main__":
    main()
