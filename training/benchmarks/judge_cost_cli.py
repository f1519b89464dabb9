"""`attune-train bench judge-cost`."""

from __future__ import annotations

import asyncio
import tempfile
from pathlib import Path
from typing import Annotated

import typer


def bench_judge_cost(
    base_url: Annotated[
        str | None,
        typer.Option("--base-url", help="A running vLLM, up to /v1; otherwise a tiny model is served on the CPU."),
    ] = None,
    model: Annotated[str, typer.Option("--model", help="The name it serves.")] = "tiny",
    reply: Annotated[int, typer.Option("--reply", min=1, help="Words of a reply, on average.")] = 160,
) -> None:
    """Count what judging one step costs (batch 8, n 8, K 4), in the paper's call pattern and in ours.

    Requests, prompt tokens and prefix-cache hits are vLLM's own counters; see docs/performance.md. Without --base-url
    it needs `make setup-serve`.
    """
    from training.benchmarks.judge_cost import Load, measure, table

    load = Load(reply=reply)
    if base_url is not None:
        metrics = base_url.rstrip("/").removesuffix("/v1") + "/metrics"
        typer.echo(table(asyncio.run(measure(base_url, model, metrics, load))))
        return
    from training.tiny import make_tiny_qwen3
    from training.vllm_server import run_vllm

    serve = Path(__file__).resolve().parents[2] / ".venv-serve/bin/python"
    with tempfile.TemporaryDirectory(prefix="attune-") as directory:
        weights = make_tiny_qwen3(Path(directory) / "model")
        with run_vllm(weights, python=serve, log=Path(directory) / "vllm.log") as server:
            typer.echo(table(asyncio.run(measure(server.base_url, server.model, server.metrics_url, load))))
