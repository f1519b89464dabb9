"""From evidence to what is believed of one trait: a Gaussian over the T-score scale, prior N(50, 10²), in closed form.

The model, in population standard deviations (z = (T - 50) / 10). A piece of text evidence from conversation c is

    direction · strength / gain = z + bias + error_c + error,

with three independent errors: of the single piece, of its conversation (a bad day; one topic), and of the person's way
with words (how somebody writes is not how they are, however much they write). Averaging removes the first within a
conversation and the second over conversations; the third stays. So

    1 / precision_c = piece / n_c + conversation,        1 / precision = 1 / Σ_c fade_c · precision_c + person,

which is the damping n / (1 + (n - 1)ρ) at two levels: many pieces of one conversation count less than pieces of many.
A conversation fades as a whole, by half in `HALF_LIFE_DAYS`, toward the prior and never toward certainty.

Questionnaires and corrections are observations of T itself, encoded by `encode`. The newest questionnaire replaces
older ones; a correction replaces all that came before it, for the person's word outweighs inference. Neither fades.

Exact whatever the order: all sums are integers (`memory.persona.fading`), so adding and withdrawing in any interleaving
gives the very same numbers as one pass over what is left.
"""

from __future__ import annotations

import hashlib
import math
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from types import MappingProxyType
from typing import Literal

from memory.persona.fading import Fading, Weighing
from memory.persona.questionnaire import reliability
from memory.types import Trait, TraitEstimate, TraitEvidence

PRIOR_MEAN = 50.0
PRIOR_SD = 10.0

HALF_LIFE_DAYS = 730.0
"""Traits are stable over years, lives less so; two years is our choice, not a measurement."""

ENCODED_SPAN = 30.0
"""T-score points that strength 1 of a questionnaire or a correction stands for: 20 to 80."""

CORRECTION_NOISE = 0.09
"""In sd²: a correction is taken at its word to within three T points."""

UNNAMED_RELIABILITY = 0.70
"""Of a questionnaire that `questionnaire.toml` does not know."""

_EXTREME = 3.0
"""Text never counts as further out than three standard deviations of what it could be expected to show."""

_HALF_LIFE_S = timedelta(days=HALF_LIFE_DAYS).total_seconds()


@dataclass(frozen=True, slots=True)
class Text:
    """How text of one source speaks for a trait; variances in sd²."""

    gain: float
    """By how much direction · strength rises, on average, with one standard deviation of the trait."""
    piece: float
    """Error variance of one piece of evidence."""
    conversation: float
    """Error variance that all pieces of a conversation share."""
    person: float
    """Error variance that all of a person's text shares."""

    @property
    def weighing(self) -> Weighing:
        """How the pieces of a conversation are weighed."""
        return Weighing(self.gain, self.piece, self.conversation, _HALF_LIFE_S)


TEXT: Mapping[str, Text] = MappingProxyType(
    {
        # Text and self-report correlate at .26 to .30 over studies (Moreno et al. 2021, a meta-analysis), chat at .2
        # to .4. `person` = (1 - r²) / r² with r = .4 as the ceiling of all that somebody ever writes. An essay of 650
        # words gave r = .16 with traits cut at the median, about .20 uncut: (1 - r²) / r² = 24, of which its pieces
        # make up 8.5, hence `conversation`. `gain` = .20 times the spread of mean signed strengths over writers, .085;
        # `piece` is the spread of signed strengths over clauses, .29, divided by the gain, squared.
        "offline": Text(gain=0.017, piece=290.0, conversation=10.5, person=5.25),
        # A language model judges words in context; one judgement of it is taken to agree with self-report at .2. Our
        # assumption until it is measured; the ceiling stays that of text.
        "model": Text(gain=0.15, piece=18.0, conversation=6.0, person=5.25),
    }
)

_TextKey = tuple[Trait, str]


def encode(t_score: float) -> tuple[Literal[-1, 1], float]:
    """Return the direction and strength under which a questionnaire or a correction is stored as evidence."""
    distance = max(-1.0, min(1.0, (t_score - PRIOR_MEAN) / ENCODED_SPAN))
    return (-1 if distance < 0 else 1), abs(distance)


class Posterior:
    """The beliefs about one person, kept up to date piece by piece.

    `add`, `withdraw` and `estimate` take the same time whatever was said before. A piece is known by its id; adding
    the same id again replaces it.
    """

    def __init__(self, evidence: Iterable[TraitEvidence] = ()) -> None:
        self._pieces: dict[str, TraitEvidence] = {}
        self._fingerprint = 0
        self._ids_of_message: dict[str, set[str]] = defaultdict(set)
        self._told: dict[_TextKey, dict[str, TraitEvidence]] = defaultdict(dict)
        """Questionnaires and corrections."""
        self._said = {(trait, source): Fading(text.weighing) for trait in Trait for source, text in TEXT.items()}
        self._corrected: dict[Trait, datetime] = {}
        """When the newest correction came; text from before it is kept, but not summed."""
        for piece in evidence:
            self.add(piece)

    @property
    def pieces(self) -> Collection[TraitEvidence]:
        """All evidence there is."""
        return self._pieces.values()

    @property
    def fingerprint(self) -> int:
        """A number of 256 bits that tells sets of evidence apart, whatever their order."""
        return self._fingerprint % 2**256

    def add(self, piece: TraitEvidence) -> None:
        """Take one piece of evidence into account."""
        self.withdraw(piece.id)
        self._pieces[piece.id] = piece
        self._fingerprint += _digest(piece)
        self._ids_of_message[piece.evidence.message_id].add(piece.id)
        if piece.source in TEXT:
            self._count(piece, 1)
        else:
            self._told[piece.trait, piece.source][piece.id] = piece
            self._apply_correction(piece)

    def withdraw(self, evidence_id: str) -> None:
        """Forget one piece; of an unknown id there is nothing to forget."""
        piece = self._pieces.pop(evidence_id, None)
        if piece is None:
            return
        self._fingerprint -= _digest(piece)
        ids = self._ids_of_message[piece.evidence.message_id]
        ids.discard(evidence_id)
        if not ids:
            del self._ids_of_message[piece.evidence.message_id]
        if piece.source in TEXT:
            self._count(piece, -1)
        else:
            del self._told[piece.trait, piece.source][evidence_id]
            self._apply_correction(piece)

    def forget_message(self, message_id: str) -> None:
        """Forget all that rests on one message."""
        for evidence_id in tuple(self._ids_of_message.get(message_id, ())):
            self.withdraw(evidence_id)

    def estimate(self, trait: Trait, now: datetime, *, frozen: bool = False) -> TraitEstimate:
        """Return what is believed of `trait` at `now`; `frozen` is only passed on."""
        told = self._told_now(trait)
        observations = [(_told_value(piece), _told_noise(piece)) for piece in told]
        count = len(told)
        for source, text in TEXT.items():
            said = self._said[trait, source]
            if combined := said.combined(now.timestamp()):
                observations.append(_bounded(*combined, text))
                count += said.count
        precision = 1.0 + math.fsum(1.0 / noise for _, noise in observations)
        mean = math.fsum(value / noise for value, noise in observations) / precision
        return TraitEstimate(trait, PRIOR_MEAN + PRIOR_SD * mean, PRIOR_SD / math.sqrt(precision), count, frozen)

    def _count(self, piece: TraitEvidence, times: Literal[-1, 1]) -> None:
        corrected = self._corrected.get(piece.trait)
        if corrected is not None and piece.observed_at <= corrected:
            return
        self._said[piece.trait, piece.source].count_in(piece, times)

    def _apply_correction(self, changed: TraitEvidence) -> None:
        if changed.source != "correction":
            return
        trait = changed.trait
        newest = _newest(self._told[trait, "correction"].values())
        self._corrected.pop(trait, None)
        if newest is not None:
            self._corrected[trait] = newest.observed_at
        for source in TEXT:
            self._said[trait, source].clear()
        for piece in self._pieces.values():
            if piece.trait == trait and piece.source in TEXT:
                self._count(piece, 1)

    def _told_now(self, trait: Trait) -> list[TraitEvidence]:
        """Return the newest correction, and the newest questionnaire unless a correction came after it."""
        correction = _newest(self._told[trait, "correction"].values())
        questionnaire = _newest(self._told[trait, "questionnaire"].values())
        if correction and questionnaire and questionnaire.observed_at <= correction.observed_at:
            questionnaire = None
        return [piece for piece in (correction, questionnaire) if piece is not None]


def _digest(piece: TraitEvidence) -> int:
    line = (
        f"{piece.id} {piece.trait} {piece.direction} {piece.strength!r} {piece.source} {piece.item} "
        f"{piece.conversation_id} {piece.observed_at.isoformat()}"
    )
    return int.from_bytes(hashlib.sha256(line.encode()).digest())


def _bounded(value: float, precision: float, text: Text) -> tuple[float, float]:
    """Return what text shows of a trait, no further out than it can be, and the variance of that."""
    noise = 1.0 / precision + text.person
    farthest = _EXTREME * math.sqrt(1.0 + noise)
    return max(-farthest, min(farthest, value)), noise


def _newest(pieces: Iterable[TraitEvidence]) -> TraitEvidence | None:
    return max(pieces, key=lambda piece: (piece.observed_at, piece.id), default=None)


def _told_value(piece: TraitEvidence) -> float:
    return piece.direction * piece.strength * ENCODED_SPAN / PRIOR_SD


def _told_noise(piece: TraitEvidence) -> float:
    if piece.source == "correction":
        return CORRECTION_NOISE
    # Classical test theory: reliability is the share of true variance in the observed one.
    share = reliability(piece.item, piece.trait) or UNNAMED_RELIABILITY
    return (1.0 - share) / share
