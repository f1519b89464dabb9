"""`attune-train safety-screen`; training/cli.py hangs it into the command line."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Annotated

import typer


def safety_screen(
    lines: Annotated[
        Path,
        typer.Option(
            "--lines",
            help="A folder of .jsonl files, one file an author, a message a line as for `bench safety`. `ordinary` "
            "and `plain` are no measure of hard lines; every other file takes part in the measurement.",
        ),
    ] = Path("training/safety_screen/lines"),
    out: Annotated[Path, typer.Option("--out", help="The weights file to write.")] = Path(
        "assistant/safety/learned.npz"
    ),
) -> None:
    """Fit the learned part of the crisis screen to labelled lines, and measure it across authors.

    Each author's lines are scored by a model of all the others; the thresholds come from those scores. Takes two to
    three minutes on two cores. To screen with lines of your own, add a file to the folder and run it again.

    Example: attune-train safety-screen --lines training/safety_screen/lines --out assistant/safety/learned.npz
    """
    from training.errors import TrainingError
    from training.safety_screen.fit import Settings, digest_of, fit, read_lines

    try:
        fitted = fit(read_lines(lines), digest_of(lines), Settings(), lambda said: typer.echo(said, err=True))
    except TrainingError as error:
        typer.echo(f"error: {error}", err=True)
        raise typer.Exit(1) from error
    out.write_bytes(fitted.content)
    typer.echo(_table(fitted.manifest))
    typer.echo(f"{out}: {len(fitted.content):,} bytes, sha256 {hashlib.sha256(fitted.content).hexdigest()}")


def _table(manifest: dict[str, object]) -> str:
    thresholds, measured = manifest["thresholds"], manifest["across_authors"]
    assert isinstance(measured, dict)
    rows = [
        f"thresholds {thresholds}",
        f"{'':<20} {'high+imminent':>13} {'recall':>7}  {'none':>5} {'false alarms':>12}",
    ]
    groups = {"all": measured["all"], **measured["author"], **measured["language"], **measured["category"]}
    for name, rates in groups.items():
        recall, alarms = _percent(rates["recall_high"]), _percent(rates["false_alarms"])
        rows.append(f"{name:<20} {rates['n_high']:>13} {recall:>7}  {rates['n_none']:>5} {alarms:>12}")
    return "\n".join(rows)


def _percent(share: float | None) -> str:
    return "-" if share is None else f"{share:.1%}"
