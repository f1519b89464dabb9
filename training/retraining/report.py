"""The plan of a dry run and the report of a round, as Markdown; nobody is named and nobody's words are quoted."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from training.personaemp.manifest import read_manifest
from training.retraining.estimate import Share
from training.retraining.road import Road

if TYPE_CHECKING:
    from training.retrain import Decision, Retrained

_PATHS = {"data", "weights", "gate", "report"}


def plan_page(decisions: Sequence[Decision], shares: Sequence[Share], assumed: str) -> str:
    """Return what would be done and what it takes at most."""
    lines = ["| step | | why |", "|---|---|---|"]
    lines += [f"| {one.step.name} | {'runs' if one.runs else 'skipped'} | {one.why} |" for one in decisions]
    lines += ["", "| step | calls | prompt tokens | answer tokens | GPU hours |", "|---|---:|---:|---:|---:|"]
    lines += [
        f"| {one.step} | {one.calls:,} | {one.prompt_tokens:,} | {one.answer_tokens:,} | {_hours(one.gpu_hours)} |"
        for one in shares
    ]
    calls, prompt = sum(one.calls for one in shares), sum(one.prompt_tokens for one in shares)
    answer, hours = sum(one.answer_tokens for one in shares), sum(one.gpu_hours for one in shares)
    lines += [f"| at most | {calls:,} | {prompt:,} | {answer:,} | {_hours(hours)} |", "", f"Estimated for {assumed}."]
    return "\n".join(lines) + "\n"


def round_page(done: Retrained) -> str:
    """Return the report of a round."""
    road = done.road
    lines = [f"# Retraining\n\n{_where_it_stands(done)}\n", "| step | | seconds | why |", "|---|---|---:|---|"]
    lines += [
        f"| {one.step.name} | {'done' if one.runs else 'skipped'} | {f'{one.seconds:.0f}' if one.runs else ''} "
        f"| {one.why} |"
        for one in done.decisions
    ]
    lines += ["", "## Figures", ""]
    for name, entry in road.journal.entries.items():
        figures = [f"{what} {value}" for what, value in entry.outputs.items() if what not in _PATHS]
        lines.append(f"- {name} ({entry.at[:16]}, {entry.seconds:.0f} s): {', '.join(figures)}")
    lines += ["", "## Lineage", "", *_lineage(road), "", "## Where things lie", ""]
    lines += [
        f"- {name}, {what}: `{value}`"
        for name, entry in road.journal.entries.items()
        for what, value in entry.outputs.items()
        if what in _PATHS
    ]
    lines += [f"- logs: `{road.work / 'logs'}`", f"- journal: `{road.journal.path.absolute()}`"]
    return "\n".join(lines) + "\n"


def _where_it_stands(done: Retrained) -> str:
    if done.waits:
        return f"The road waits: {done.waits}. Run the same command again; what is done is skipped."
    entries = done.road.journal.entries
    last = done.decisions[-1].step.name
    if last in ("canary", "activate") and "canary" in entries:
        last_entry = entries["activate" if "activate" in entries and last == "activate" else "canary"]
        return f"{last_entry.outputs['version']} was left as {last_entry.outputs['stage']}."
    return f"The road was walked to the end of {last}."


def _lineage(road: Road) -> list[str]:
    entries = road.journal.entries
    if "build" not in entries:
        return ["- no data set yet"]
    manifest = read_manifest(road.data)
    consent = manifest.build.consent
    lines = [
        f"- data set {manifest.id}, manifest `{manifest.sha256()}`, {manifest.rows} rows of {manifest.people} people"
    ]
    if consent is not None:
        lines.append(
            f"- of {consent.people} people in the ledger {consent.consenting} agreed, {consent.exported} exported"
        )
    if "train" in entries:
        inputs = entries["train"].inputs
        lines += [f"- {name} of the training: `{value}`" for name, value in inputs.items() if name != "rows"]
        lines.append(f"- weights `{entries['train'].outputs['sha256']}`")
    return lines


def _hours(hours: float) -> str:
    return f"{hours:.1f}" if hours else ""
