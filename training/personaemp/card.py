"""The data card: `README.md` and its plots beside the rows of a data set, with what one should know before using it.

Numbers only: it quotes nobody. It is made from the manifest and one pass over the rows, few at a time.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from training.example import CATEGORIES, TRAITS, Example
from training.personaemp.manifest import Manifest
from training.personaemp.split import LEVELS

if TYPE_CHECKING:
    from matplotlib.axes import Axes

CARD = "README.md"

_BUCKETS = (0, 50, 100, 200, 400, 800, 1600, 3200, 6400, 12800)


@dataclass
class _Counts:
    """What the rows add up to."""

    traits: Counter[tuple[str, str]] = field(default_factory=Counter)
    """People by trait and level."""
    languages: Counter[str] = field(default_factory=Counter)
    origins: Counter[str] = field(default_factory=Counter)
    query_chars: Counter[int] = field(default_factory=Counter)
    prompt_chars: Counter[int] = field(default_factory=Counter)
    memories: Counter[int] = field(default_factory=Counter)
    _people: set[str] = field(default_factory=set)

    def take(self, example: Example) -> None:
        self.languages[example.language] += 1
        self.origins[example.origin] += 1
        self.query_chars[_bucket(len(example.query))] += 1
        self.prompt_chars[_bucket(sum(len(message["content"]) for message in example.prompt))] += 1
        self.memories[len(example.memory)] += 1
        if example.person not in self._people:
            self._people.add(example.person)
            self.traits.update(example.big_five.items())


def write_card(directory: Path, manifest: Manifest, examples: Iterable[Example]) -> None:
    """Write the card and its plots into the directory."""
    counts = _Counts()
    for example in examples:
        counts.take(example)
    plots = directory / "plots"
    plots.mkdir()
    _plot(plots, manifest, counts)
    (directory / CARD).write_text(_text(manifest, counts), encoding="utf-8")


def _text(manifest: Manifest, counts: _Counts) -> str:
    split, build = manifest.split, manifest.build
    parts = [
        f"# Data set {manifest.id}",
        f"{manifest.rows} queries of {manifest.people} people, begun {manifest.created_at:%Y-%m-%d %H:%M} UTC, under "
        f"the prompt preset `{build.preset}`. People of the ledger bear random ids; their names and contact "
        "details are pseudonyms. Pseudonyms are not anonymity: treat the rows as personal data. "
        "Before training, `attune-train data check` asks the ledger whether any row must not be used any more.",
        "## Splits",
        _table(
            ("split", "people", "rows", "SHA-256"),
            [
                (name, split.people.get(name, 0), file.rows, f"`{file.sha256[:12]}`")
                for name, file in manifest.files.items()
            ],
        ),
        _split_rule(manifest),
        "## Categories",
        _table(("category", "rows"), [(name, manifest.categories[name]) for name in CATEGORIES]),
        "![categories](plots/categories.svg)",
        "## Big Five of the people",
        _table(("trait", *LEVELS), [(trait, *(counts.traits[trait, level] for level in LEVELS)) for trait in TRAITS]),
        "![traits](plots/traits.svg)",
        _agreement(build.agreement),
        "## Lengths",
        "Characters of queries and prompts, and how many memories a prompt holds.",
        "![lengths](plots/lengths.svg)",
        f"Shortened for want of room: {build.shortened} prompts, by {build.memories_left_out} recalled memories.",
        "## Languages and origins",
        _table(("language", "rows"), counts.languages.most_common()),
        _table(("origin of the query", "rows"), counts.origins.most_common()),
        "## Left out",
        _drops(build.drops),
        "## Made from",
        _table(
            ("source", "records", "not usable", "SHA-256"),
            [
                (one.name, one.records, sum(one.skipped.values()), f"`{(one.sha256 or '-')[:12]}`")
                for one in build.sources
            ],
        ),
        _consent(manifest),
        _table(("prompt", "hash"), [(name, f"`{digest[:12]}`") for name, digest in build.prompts.items()]),
        _table(("role", "model"), list(build.models.items())),
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def _split_rule(manifest: Manifest) -> str:
    split = manifest.split
    rule = split.rule
    text = f"Random test: {rule.test_share:.0%} of the people who are not held out, drawn with seed {rule.seed}."
    if split.k is None:
        return text
    mode = ", ".join(f"{trait} {split.held_out[trait]}" for trait in TRAITS)
    scores = ", ".join(f"{k}: {score:.3f}" for k, score in sorted(split.silhouettes.items()))
    return (
        f"{text} Held out whole (`ood`): the cluster of people whose mode is {mode}. KModes over the five levels with "
        f"k = {split.k}, the greatest mean silhouette under the matching distance ({scores}); of its clusters the one "
        f"nearest to {rule.ood_share:.0%} of the people."
    )


def _agreement(agreement: Mapping[str, Mapping[str, Any]]) -> str:
    if not agreement:
        return "The levels are the model's judgement; of nobody was enough believed before to compare."
    rows = [(trait, one["people"], f"{one['equal']:.0%}", one["kappa"]) for trait, one in agreement.items()]
    return "Where enough is believed of a person, that is their level; how far the model judged the same:\n\n" + _table(
        ("trait", "people", "equal", "Cohen's kappa"), rows
    )


def _drops(drops: Mapping[str, Mapping[str, int]]) -> str:
    rows = [(stage, reason, count) for stage, reasons in drops.items() for reason, count in reasons.items()]
    if not rows:
        return "Nothing."
    return _table(("stage", "reason", "count"), rows) + "\n\n![drops](plots/drops.svg)"


def _consent(manifest: Manifest) -> str:
    consent = manifest.build.consent
    if consent is None:
        return "Nobody's ledger was read."
    return (
        f"Consent on {consent.at:%Y-%m-%d %H:%M} UTC: {consent.consenting} of {consent.people} people of the ledger "
        f"allowed training; {consent.exported} of them had something that may be used."
    )


def _table(head: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    if not rows:
        return ""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(str(cell).replace("|", "\\|") for cell in line) + " |" for line in lines)


# ---------------------------------------------------------------- plots


def _plot(directory: Path, manifest: Manifest, counts: _Counts) -> None:
    import matplotlib

    with matplotlib.rc_context({"svg.hashsalt": manifest.id}):
        _plot_all(directory, manifest, counts)


def _plot_all(directory: Path, manifest: Manifest, counts: _Counts) -> None:
    from matplotlib.figure import Figure

    undated = {"Date": None}
    figure = Figure(figsize=(7, 3), layout="constrained")
    _bars(figure.add_subplot(), {name.replace("_", " "): manifest.categories[name] for name in CATEGORIES}, "rows")
    figure.savefig(directory / "categories.svg", metadata=undated)

    figure = Figure(figsize=(7, 3), layout="constrained")
    axes, left = figure.add_subplot(), [0] * len(TRAITS)
    for level, shade in zip(LEVELS, ("#c6dbef", "#6baed6", "#2171b5"), strict=True):
        widths = [counts.traits[trait, level] for trait in TRAITS]
        axes.barh(TRAITS, widths, left=left, label=level, color=shade)
        left = [one + width for one, width in zip(left, widths, strict=True)]
    axes.invert_yaxis()
    axes.set_xlabel("people")
    axes.legend(ncols=3, loc="lower right")
    figure.savefig(directory / "traits.svg", metadata=undated)

    figure = Figure(figsize=(10, 3), layout="constrained")
    lengths = {"query": counts.query_chars, "prompt": counts.prompt_chars}
    for place, (name, chars) in enumerate(lengths.items(), 1):
        axes = figure.add_subplot(1, 3, place)
        axes.bar([f"{bucket}+" for bucket in _BUCKETS], [chars[bucket] for bucket in _BUCKETS], color="#6baed6")
        axes.tick_params(axis="x", rotation=60)
        axes.set(title=f"characters of a {name}", ylabel="rows")
    axes = figure.add_subplot(1, 3, 3)
    axes.bar(list(counts.memories), list(counts.memories.values()), color="#6baed6")
    axes.set(title="memories in a prompt", ylabel="rows")
    figure.savefig(directory / "lengths.svg", metadata=undated)

    drops = {
        f"{stage}: {reason}": n for stage, reasons in manifest.build.drops.items() for reason, n in reasons.items()
    }
    if drops:
        figure = Figure(figsize=(8, 1 + 0.3 * len(drops)), layout="constrained")
        _bars(figure.add_subplot(), drops, "left out")
        figure.savefig(directory / "drops.svg", metadata=undated)


def _bars(axes: Axes, values: Mapping[str, int], label: str) -> None:
    axes.barh(list(values), list(values.values()), color="#6baed6")
    axes.invert_yaxis()
    axes.set_xlabel(label)


def _bucket(length: int) -> int:
    return max(bucket for bucket in _BUCKETS if bucket <= length)
