"""Pictures of a report: averages and cost, groups of questions and people, and what dimensions and rounds add."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_SHADES = 10
"""Colours before they come again."""


def plot(report: Mapping[str, Any], directory: Path) -> list[Path]:
    """Write the pictures and return their files; results in which nothing was scored are not in them."""
    found = [one for one in report["results"] if one["means"]["average"]]
    files = [directory / f"{name}.png" for name in ("results", "groups", "ablations")]
    for path, draw in zip(files, (_results, _groups, _ablations), strict=True):
        draw(found, path)
    return files


def _results(found: Sequence[Mapping[str, Any]], path: Path) -> None:
    """Averages with their intervals, and quality against the tokens of a reply."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(12, 1.5 + 0.35 * max(len(found), 6)), layout="constrained")
    means, costs = figure.subplots(1, 2)
    for place, one in enumerate(found):
        _point(means, one["means"]["average"], place, "gray")
        tokens = (one["cost"]["prompt_tokens"] + one["cost"]["completion_tokens"]) / one["questions"]
        costs.plot(tokens, one["means"]["average"]["mean"], "o", label=_name(one))
    _rows(means, [_name(one) for one in found])
    means.set_xlabel("average of Res, Exp, Rec (95 % over people)")
    costs.set_xlabel("tokens for a reply, prompt included")
    costs.set_ylabel("average")
    if found:
        costs.legend(fontsize=6)
    figure.savefig(path, dpi=120)


def _groups(found: Sequence[Mapping[str, Any]], path: Path) -> None:
    """The average of each policy by category and trait level; a panel for each judge and split."""
    from matplotlib.figure import Figure

    panels = list(dict.fromkeys((one["judge"], one["split"]) for one in found))
    names = list(dict.fromkeys(name for one in found for name, mean in one["groups"].items() if mean))
    size = (6 * max(1, len(panels)), 1.5 + 0.3 * max(len(names), 6))
    figure = Figure(figsize=size, layout="constrained")
    for axes, panel in zip(figure.subplots(1, max(1, len(panels)), squeeze=False)[0], panels, strict=False):
        shown = [one for one in found if (one["judge"], one["split"]) == panel]
        for shift, one in enumerate(shown):
            label = one["policy"]
            for place, name in enumerate(names):
                if mean := one["groups"].get(name):
                    at = place + 0.7 * (shift / max(1, len(shown) - 1) - 0.5) if len(shown) > 1 else place
                    _point(axes, mean, at, f"C{shift % _SHADES}", label)
                    label = None
        _rows(axes, names)
        axes.set(title=" ".join(panel), xlabel="average (95 % over people)")
        axes.legend(fontsize=6)
    figure.savefig(path, dpi=120)


def _ablations(found: Sequence[Mapping[str, Any]], path: Path) -> None:
    """The average without one dimension, and the average by rounds and by who wrote the criteria."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(12, 1.5 + 0.35 * max(len(found), 6)), layout="constrained")
    without, rounds = figure.subplots(1, 2)
    for place, one in enumerate(found):
        without.plot(one["means"]["average"]["mean"], place, "k|", label=None if place else "all three")
        for shade, (name, mean) in enumerate(one["without_dimension"].items()):
            without.plot(mean["mean"], place, "o", color=f"C{shade}", label=None if place else f"without {name}")
    lines: dict[tuple[str, ...], list[Mapping[str, Any]]] = {}
    for one in found:
        lines.setdefault((one["split"], one["policy"], f"criteria {one['rulers']}"), []).append(one)
    for shade, (line, ones) in enumerate(lines.items()):
        ones.sort(key=lambda one: int(one["rounds"]))
        averages = [one["means"]["average"] for one in ones]
        ends = [[mean["mean"] - mean["low"] for mean in averages], [mean["high"] - mean["mean"] for mean in averages]]
        rounds.errorbar(
            [one["rounds"] + 0.02 * shade for one in ones],
            [mean["mean"] for mean in averages],
            yerr=ends,
            marker="s" if line[2].endswith("people") else "o",
            label=" ".join(line),
        )
    _rows(without, [_name(one) for one in found])
    without.set_xlabel("average")
    rounds.set(xlabel="rounds K of the judge", ylabel="average (95 % over people)")
    for axes in (without, rounds):
        if found:
            axes.legend(fontsize=6)
    figure.savefig(path, dpi=120)


def _point(axes: Axes, mean: Mapping[str, float], at: float, shade: str, label: str | None = None) -> None:
    axes.plot([mean["low"], mean["high"]], [at, at], color=shade, linewidth=1)
    axes.plot(mean["mean"], at, "o", color=shade, markersize=4, label=label)


def _rows(axes: Axes, names: Sequence[str]) -> None:
    axes.set_yticks(range(len(names)), names, fontsize=7)
    axes.invert_yaxis()


def _name(one: Mapping[str, Any]) -> str:
    return f"{one['judge']} {one['split']} {one['policy']}"
