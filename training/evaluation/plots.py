"""One picture of a report: averages with their intervals, and quality against what the replies cost in tokens."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any


def plot(report: Mapping[str, Any], path: Path) -> None:
    """Write the picture to `path`; results in which nothing was scored are not in it."""
    from matplotlib.figure import Figure

    found = [one for one in report["results"] if one["means"]["average"]]
    figure = Figure(figsize=(12, 1.5 + 0.35 * max(len(found), 6)), layout="constrained")
    means, costs = figure.subplots(1, 2)
    for place, one in enumerate(found):
        average, cost = one["means"]["average"], one["cost"]
        means.plot([average["low"], average["high"]], [place, place], color="gray")
        means.plot(average["mean"], place, "o")
        tokens = (cost["prompt_tokens"] + cost["completion_tokens"]) / one["questions"]
        costs.plot(tokens, average["mean"], "o", label=_name(one))
    means.set_yticks(range(len(found)), [_name(one) for one in found], fontsize=7)
    means.set_xlabel("average of Res, Exp, Rec (95 % over people)")
    costs.set_xlabel("tokens for a reply, prompt included")
    costs.set_ylabel("average")
    if found:
        costs.legend(fontsize=6)
    figure.savefig(path, dpi=120)


def _name(one: Mapping[str, Any]) -> str:
    return f"{one['judge']} {one['split']} {one['policy']}"
