"""An evaluation's report as files: report.json, tables in Markdown and CSV, plots, and the reports of the gate."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from training.evaluation.config import EvaluateConfig
from training.example import DIMENSIONS

_SHORT = {"resonation": "Res", "expression": "Exp", "reception": "Rec", "average": "Average"}
_HEAD = ("judge", "split", "policy", *_SHORT.values(), "difference to baseline", "scored", "unscored", "memories")
_COST = ("prompt_tokens", "completion_tokens", "seconds", "price")
_JUDGED = ("calls", "cached", *_COST)
_WRITERS = {"written": "a model", "people": "people"}


def write(report: Mapping[str, Any], config: EvaluateConfig) -> list[Path]:
    """Write everything into `config.out`; return the files."""
    out = config.out
    rows = [_row(one) for one in report["results"]]
    texts = {
        "report.json": json.dumps(report, indent=2) + "\n",
        "results.md": page(report),
        "results.csv": _csv(_HEAD, rows),
        "groups.csv": _csv(("judge", "split", "policy", "group", "mean", "low", "high", "scored"), _groups(report)),
    }
    for name, text in texts.items():
        (out / name).write_text(text, encoding="utf-8")
    gates = _gates(report, config)
    return [*(out / name for name in texts), *gates]


def page(report: Mapping[str, Any]) -> str:
    """Return the tables in Markdown."""
    parts = [
        f"# Evaluation\n\nBaseline: {report['baseline']}. Scores 1-5; [low, high] is a 95 % bootstrap interval over"
        " people. Unscored questions are in no mean.\n",
        _markdown(_HEAD, [_row(one) for one in report["results"]]),
        "\n## Average without one dimension\n",
        _markdown(
            ("judge", "split", "policy", "without Res", "without Exp", "without Rec"),
            [
                [*_which(one), *(_shown(found) for found in one["without_dimension"].values())]
                for one in report["results"]
            ],
        ),
        "\n## Rounds and the origin of the criteria\n",
        _markdown(
            ("judge", "K", "criteria of", "split", "policy", "Average", "difference to baseline"),
            [
                [one["judge"], str(one["rounds"]), _WRITERS[one["rulers"]], *_which(one)[1:], *_average(one)]
                for one in sorted(report["results"], key=lambda one: (one["split"], one["policy"], one["rounds"]))
            ],
        ),
        "\n## Cost of the replies\n",
        _markdown(
            ("judge", "split", "policy", "Average", *_COST),
            [[*_which(one), _shown(one["means"]["average"]), *_costs(one["cost"], _COST)] for one in report["results"]],
        ),
        "\n## Cost of judging, in this run\n",
        _markdown(("judge", "split", "of", *_JUDGED), _judged(report)),
    ]
    return "\n".join(parts) + "\n"


def _judged(report: Mapping[str, Any]) -> list[list[str]]:
    criteria = [
        [judge, split, "criteria", *_costs(cost, _JUDGED)]
        for judge, by_split in report["criteria_cost"].items()
        for split, cost in by_split.items()
    ]
    return [*criteria, *([*_which(one), *_costs(one["judge_cost"], _JUDGED)] for one in report["results"])]


def _costs(cost: Mapping[str, Any], names: Sequence[str]) -> list[str]:
    return [f"{cost[name]:.6g}" for name in names]


def _average(one: Mapping[str, Any]) -> list[str]:
    difference = one["difference"]
    return [_shown(one["means"]["average"]), "baseline" if difference is None else _shown(difference["average"])]


def _row(one: Mapping[str, Any]) -> list[str]:
    average = one["means"]["average"]
    return [
        *_which(one),
        *(_shown(one["means"][name]) for name in DIMENSIONS),
        *_average(one),
        str(average["scored"] if average else 0),
        str(sum(one["unscored"].values())),
        f"{one['memories_in_prompt']:.1f}",
    ]


def _which(one: Mapping[str, Any]) -> list[str]:
    return [one["judge"], one["split"], one["policy"]]


def _shown(found: Mapping[str, Any] | None) -> str:
    return "not measured" if found is None else f"{found['mean']:.2f} [{found['low']:.2f}, {found['high']:.2f}]"


def _groups(report: Mapping[str, Any]) -> list[list[str]]:
    return [
        [*_which(one), group, *(f"{found[key]:.4f}" for key in ("mean", "low", "high")), str(found["scored"])]
        for one in report["results"]
        for group, found in one["groups"].items()
        if found is not None
    ]


def _markdown(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def _csv(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows([head, *rows])
    return text.getvalue()


def _gates(report: Mapping[str, Any], config: EvaluateConfig) -> list[Path]:
    """Write what `attune-train promote` reads, for each policy whose files have a hash."""
    from assistant.rollout.reports import Interval
    from training.promote import evaluation_report, write_evaluation

    written = []
    for one in report["results"]:
        sha256, difference = config.policies[one["policy"]].sha256, one["difference"]
        if not sha256 or difference is None or difference["average"] is None:
            continue
        found = {
            name: Interval(mean=each["mean"], low=each["low"], high=each["high"]) for name, each in difference.items()
        }
        path = config.out / f"gate-{one['policy']}-{one['judge']}-{one['split']}.json"
        made = evaluation_report(
            policy_sha256=sha256,
            baseline=config.baseline_version,
            difference=found.pop("average"),
            scored=difference["average"]["scored"],
            unscored=difference["average"]["unscored"],
            scale=(1.0, 5.0),
            dimensions=found,
            data_manifest=report["data_manifest"],
            judge="/".join(one["identity"]),
            split=one["split"],
        )
        write_evaluation(path, made)
        written.append(path)
    return written
