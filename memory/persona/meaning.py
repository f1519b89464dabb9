"""What a sentence says about the traits by its meaning: for which pole of each trait the items nearest to it speak.

Each trait has two poles of first-person statements: the items of the IPIP-NEO-120 with everyday wordings, and their
opposites. How well a pole explains a sentence is the mean of exp(SHARPNESS · cosine) over the pole's statements, a
kernel density on the sphere of embeddings; the score is the logarithm of the ratio of the two poles. Zero and scale
come from a list of everyday sentences that speak for nobody in particular (everyday.txt), so that they move with the
embedder.

Openness differs: it shows in what people bring up at all (art, ideas, imagination, feelings), not in whether they are
for it, and embeddings hardly tell the two apart. So there the two sides are its own statements against those of
the other traits; only a sentence that all but repeats a statement is taken at its word.

Embeddings hardly see negation either ("I like parties" lies next to "I don't like parties"). Where a sentence all but
repeats a statement in the same words and only one of the two is negated, the statement counts for its other pole.

Nothing here was fitted to anybody's labels.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from memory.persona.items import Item, items
from memory.persona.words import TRAITS, is_negator, words
from memory.types import Trait

SHARPNESS = 10.0
"""Near statements count e^10·Δcosine as much as far ones; between 5 and 20 the choice hardly matters."""
REPEATS = 0.6
"""Cosine from which a sentence all but repeats a statement."""

LEAST_OPEN = -2.0
"""What is said about another trait is no sign of a closed mind, however clearly it is said."""

_SAME_WORDS = 0.5
"""Two sentences say the same in the same words when more than this share of their words is common to both."""
_EMPTY_WORDS = frozenset(
    word
    for line in (
        "i i'm im i've i'd i'll am is are be been was the a an my me it to of and or at all in on with so very really",
        "much ever easily any do does did have has lot just",
    )
    for word in line.split()
)
_OPENNESS = TRAITS.index(Trait.OPENNESS)
Vectors = NDArray[np.float32]
Scores = NDArray[np.float64]


class Embeds(Protocol):
    """What turns sentences into unit vectors; `memory.embedder.Embedder` is one."""

    async def embed(self, texts: Sequence[str], *, together: bool = False) -> Vectors:
        """Return one L2-normalised row per text; `together` trades the last digits for speed."""
        ...


@dataclass(frozen=True, slots=True)
class _Statements:
    """The statements of all poles in one order, and what each stands for."""

    texts: tuple[str, ...]
    item: tuple[Item, ...]
    trait: NDArray[np.int64]
    pole: NDArray[np.int64]
    """+1 where the statement speaks for a high trait."""
    said: tuple[_Said, ...]


@dataclass(frozen=True, slots=True)
class _Said:
    """The words of a sentence that matter when it is held against another."""

    content: frozenset[str]
    negated: bool

    @classmethod
    def of(cls, text: str) -> _Said:
        found = words(text)
        negators = [word for word in found if is_negator(word)]
        return cls(frozenset(found) - _EMPTY_WORDS - set(negators), len(negators) % 2 == 1)

    def contradicts(self, other: _Said) -> bool:
        """Whether both say the same but for a negation."""
        common, either = self.content & other.content, self.content | other.content
        return self.negated != other.negated and len(common) > _SAME_WORDS * len(either)


@dataclass(frozen=True, slots=True)
class Meaning:
    """The statements in one embedder's space."""

    vectors: Vectors
    zero: Scores
    scale: Scores

    @classmethod
    async def of(cls, embedder: Embeds) -> Meaning:
        """Embed the statements and the everyday sentences; about a second of work.

        Raises:
            EmbedderError: the embedder failed.
        """
        statements, everyday = _statements().texts, _everyday()
        vectors = await embedder.embed([*statements, *everyday], together=True)
        poles, background = vectors[: len(statements)], vectors[len(statements) :]
        scores = _log_ratios(_everyday(), background @ poles.T)
        return cls(poles, scores.mean(0), scores.std(0))

    def scores(self, texts: Sequence[str], vectors: Vectors) -> tuple[Scores, list[list[Item | None]]]:
        """Return (n, 5) scores in everyday standard deviations, and the item each score rests on most.

        Args:
            texts: the sentences.
            vectors: one unit vector per sentence.
        """
        cosines = vectors @ self.vectors.T
        scores = (_log_ratios(texts, cosines) - self.zero) / self.scale
        scores[:, _OPENNESS] = scores[:, _OPENNESS].clip(min=LEAST_OPEN)
        named = [
            [_nearest(row, trait, score) for trait, score in enumerate(own)]
            for row, own in zip(cosines, scores, strict=True)
        ]
        return scores, named


def _log_ratios(texts: Sequence[str], cosines: NDArray[np.floating]) -> Scores:
    kernels = np.exp(SHARPNESS * cosines.astype(np.float64))
    highs, lows = _sides(topics=False)
    high, low = kernels @ highs, kernels @ lows
    statements = _statements()
    for row, place in zip(*np.nonzero(cosines >= REPEATS), strict=True):
        if statements.said[place].contradicts(_Said.of(texts[row])):
            trait, kernel = statements.trait[place], kernels[row, place]
            one, other = ((high, highs), (low, lows)) if statements.pole[place] > 0 else ((low, lows), (high, highs))
            one[0][row, trait] -= kernel * one[1][place, trait]
            other[0][row, trait] += kernel * other[1][:, trait].max()
    scores: Scores = np.log(high) - np.log(low)
    own, others = _sides(topics=True)
    brought_up = np.log(kernels @ own[:, _OPENNESS]) - np.log(kernels @ others[:, _OPENNESS])
    repeated = cosines[:, statements.trait == _OPENNESS].max(1) >= REPEATS
    scores[:, _OPENNESS] = np.where(repeated, scores[:, _OPENNESS], brought_up)
    return scores


def _nearest(cosines: NDArray[np.floating], trait: int, score: float) -> Item | None:
    """Return the item whose statements lie nearest, and above all those that speak for the side of the score."""
    statements = _statements()
    agrees = statements.trait == trait
    if trait != _OPENNESS:
        agrees &= (statements.pole == np.sign(score)) | (cosines >= REPEATS)
    return statements.item[int(np.where(agrees, cosines, -2.0).argmax())] if agrees.any() else None


@cache
def _sides(*, topics: bool) -> tuple[Scores, Scores]:
    """Return two (statements, 5) matrices whose products with kernels are means over each side."""
    statements = _statements()
    own = statements.trait[:, None] == np.arange(len(TRAITS))
    if topics:
        high, low = own, ~own
    else:
        high, low = own & (statements.pole > 0)[:, None], own & (statements.pole < 0)[:, None]
    return high / high.sum(0), low / low.sum(0)


@cache
def _statements() -> _Statements:
    rows = [
        (text, item, pole)
        for item in items()
        for pole, texts in ((item.key, (item.statement, *item.like)), (-item.key, item.unlike))
        for text in texts
    ]
    return _Statements(
        texts=tuple(text for text, _, _ in rows),
        item=tuple(item for _, item, _ in rows),
        trait=np.array([TRAITS.index(item.trait) for _, item, _ in rows]),
        pole=np.array([pole for _, _, pole in rows]),
        said=tuple(_Said.of(text) for text, _, _ in rows),
    )


@cache
def _everyday() -> tuple[str, ...]:
    return tuple(files("memory.persona").joinpath("everyday.txt").read_text(encoding="utf-8").splitlines())
