"""The five traits in words and bars, for the page and the plain mode. Pure.

A T-score is a place among people: 50 is the average, and two of three people lie between 40 and 60. The bars run from
20 to 80 and show the interval that holds the trait with 80 % probability; where it is wide, little is known.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from assistant import wire

LOW_END, HIGH_END = 20.0, 80.0
SHORTEST_TREND = 1.0
"""T-scores by which an estimate must have moved to be called rising or falling."""

SOURCES = {
    "nothing": "nothing yet",
    "conversations": "your conversations",
    "questionnaire": "your answers to a questionnaire",
    "correction": "your own word",
}
LEVELS = (
    ("low", "Low: lower than two thirds of people"),
    ("medium", "Medium: in the middle third"),
    ("high", "High: higher than two thirds of people"),
)


def bar(mean: float, interval: tuple[float, float], width: int, *, ascii_only: bool = False) -> str:
    """The scale with the interval and the mean on it, `width` characters wide."""
    line, span, dot, middle = ("-", "=", "o", "+") if ascii_only else ("╌", "━", "●", "┼")
    at = [_place(value, width) for value in (interval[0], interval[1], mean, 50.0)]
    cells = [line] * width
    cells[at[3]] = middle
    cells[at[0] : at[1] + 1] = [span] * (at[1] - at[0] + 1)
    cells[at[2]] = dot
    return "".join(cells)


def standing(trait: wire.TraitView) -> str:
    """What is believed, in a few words: a level, a leaning, or that it is not yet known."""
    if trait.level is not None:
        return f"{trait.level}, {trait.probability:.0%} likely"
    return f"not yet known; leaning {trait.leaning}" if trait.leaning else "not yet known"


def numbers(trait: wire.TraitView) -> str:
    """Mean, standard deviation and interval."""
    low, high = trait.interval
    return f"{trait.mean:.1f} ± {trait.sd:.1f}, between {low:.0f} and {high:.0f} with 80 % probability"


def trend(trait: wire.TraitView) -> Literal["rising", "falling", "steady", ""]:
    """Where the estimate went over the days that are known; nothing where there are fewer than two."""
    if len(trait.history) < 2:
        return ""
    moved = trait.history[-1].mean - trait.history[0].mean
    if abs(moved) < SHORTEST_TREND:
        return "steady"
    return "rising" if moved > 0 else "falling"


def basis(trait: wire.TraitView) -> str:
    """On what it rests most, and how many pieces of evidence there are."""
    return f"from {SOURCES[trait.source]}" + (f" ({trait.evidence_count})" if trait.evidence_count else "")


def quotes(trait: wire.TraitView) -> list[str]:
    """The words that speak for and against it, a line each."""
    return [
        f"{'+' if quote.direction > 0 else '−'} “{quote.quote}” ({quote.at.astimezone():%Y-%m-%d})"
        for quote in trait.quotes
        if quote.quote
    ]


def plain_lines(trait: wire.TraitView) -> list[str]:
    """One trait as lines of text."""
    about = [standing(trait), numbers(trait), trend(trait), basis(trait), "frozen" if trait.frozen else ""]
    return [f"{trait.trait}: {'; '.join(part for part in about if part)}", *(f"  {line}" for line in quotes(trait))]


def _place(value: float, width: int) -> int:
    share = (min(max(value, LOW_END), HIGH_END) - LOW_END) / (HIGH_END - LOW_END)
    return min(width - 1, round(share * (width - 1)))
