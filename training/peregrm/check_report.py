"""The judge check as a page one can read: what failed, each hack beside the good replies, repeatability, agreement."""

from __future__ import annotations

from training.peregrm.check import CheckResult, HackResult


def page(result: CheckResult) -> str:
    """Return the report in Markdown."""
    verdict = "The judge passed." if result.passed else "The judge failed, and nothing should be trained on it."
    lines = [f"# Judge check\n\n{verdict} Judge {result.judge}, {result.at}.\n"]
    lines += [f"- {fault}" for fault in result.faults]
    lines += ["", "| reply | reward | least good reply | |", "|---|---|---|---|"]
    lines += [_row(hack) for hack in sorted(result.hacks, key=lambda hack: (hack.caught, hack.kind))]
    lines += [
        "",
        f"- Spread of a reply's reward over repetitions with other seeds: {_number(result.spread)}.",
        f"- Spread of a dimension's share between its rounds: {_number(result.between_rounds)}.",
        f"- Scored {result.scored}, unscored {result.unscored}.",
    ]
    if result.agreement is None:
        lines.append("- Agreement was not measured: the configuration names no second judge (check.second).")
    else:
        agreed = result.agreement
        lines.append(
            f"- Agreement with the second judge over {agreed.pairs} scores: Krippendorff's alpha (ordinal)"
            f" {agreed.alpha:.2f}; Spearman over the rewards {agreed.spearman:.2f}."
        )
    return "\n".join(lines) + "\n"


def _row(hack: HackResult) -> str:
    outcome = "caught" if hack.caught else "**not caught**"
    return f"| {hack.kind} | {_number(hack.reward)} | {_number(hack.good)} | {outcome} |"


def _number(value: float | None) -> str:
    return "not measured" if value is None else f"{value:.3f}"
