"""`attune-train safety-screen`; training/cli.py hangs it into the command line."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from training.safety_screen.fit import Fitted


def safety_screen(
    lines: Annotated[
        Path,
        typer.Option(
            "--lines",
            help="A folder of .jsonl files, one file an author, a message a line as for `bench safety`. `ordinary` "
            "and `plain` are no measure of hard lines; every other file takes part in the measurement.",
        ),
    ] = Path("training/safety_screen/lines"),
    out: Annotated[
        Path, typer.Option("--out", help="The folder to write learned.npz and encoder.npz into: both belong together.")
    ] = Path("assistant/safety"),
    workers: Annotated[
        int, typer.Option("--workers", min=1, max=4, help="Runs of the encoder at a time, one core and a GB each.")
    ] = 2,
) -> None:
    """Fit the learned part of the crisis screen to labelled lines, and measure it across authors.

    A linear model and the adapters of a small sentence encoder are fitted, each once to all lines and once without each
    of three groups of authors; how both are weighed and the thresholds come from the scores of lines whose authors
    the model did not know. For 17,000 lines it takes about 25 minutes on two idle cores, and two GB. To screen with
    lines of your own, add a file to the folder and run it again.

    Example: attune-train safety-screen --lines training/safety_screen/lines --out assistant/safety
    """
    from training.errors import TrainingError
    from training.safety_screen.fit import Settings, fit
    from training.safety_screen.lines import digest_of, read_lines

    try:
        read = read_lines(lines)
        fitted = fit(read, digest_of(lines), Settings(), lambda said: typer.echo(said, err=True), workers)
    except TrainingError as error:
        typer.echo(f"error: {error}", err=True)
        raise typer.Exit(1) from error
    typer.echo(_table(fitted.manifest))
    _write(fitted, out)


def _write(fitted: Fitted, folder: Path) -> None:
    for name, content in (("learned.npz", fitted.learned), ("encoder.npz", fitted.encoder)):
        (folder / name).write_bytes(content)
        typer.echo(f"{folder / name}: {len(content):,} bytes, sha256 {hashlib.sha256(content).hexdigest()}")


def _table(manifest: dict[str, Any]) -> str:
    measured = manifest["across_authors"]
    rows = [
        f"thresholds {manifest['thresholds']}",
        f"weights of the linear part, the encoder, and bias {manifest['stack']}",
        f"folds {manifest['folds']}",
        f"ordinary lines screened high: {_percent(manifest['ordinary_alarms'])}",
        f"{'':<20} {'high+imminent':>13} {'recall':>7}  {'none':>5} {'false alarms':>12}",
    ]
    groups = {"all": measured["all"], **measured["author"], **measured["language"], **measured["category"]}
    for name, rates in groups.items():
        recall, alarms = _percent(rates["recall_high"]), _percent(rates["false_alarms"])
        rows.append(f"{name:<20} {rates['n_high']:>13} {recall:>7}  {rates['n_none']:>5} {alarms:>12}")
    rows.append("recall by scores alone, at 2, 5, 8 and 10 % false alarms")
    for part, curves in manifest["recall_by_false_alarms"].items():
        rows += [f"{part:<10} {group:<9} {'  '.join(map(_percent, curve))}" for group, curve in curves.items()]
    return "\n".join(rows)


def _percent(share: float | None) -> str:
    return "-" if share is None else f"{share:.1%}"
