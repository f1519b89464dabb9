"""The person's turns -> trait evidence without a language model, clause by clause.

Two weak signs are added for each clause: what it means (meaning.py) and which words it uses (words.py), both in
standard deviations of everyday speech. A clause whose sum stays below `SPEAKS` says nothing about that trait.

Guarantees: evidence quotes the person's message exactly; the assistant's words, crisis turns, role play, fiction,
pasted or quoted text, questions and requests yield none; nothing is learnt from text that is not English. Crisis turns
are known by `crisis_level`, which the caller has set by then: an unscreened message passes.

Negation is handled by contrast (each item stands beside its opposite, and a clause speaks for the nearer side) and,
where a clause repeats a statement but for a "not", by turning the statement around. It is weaker than a language model:
over an essay of 650 words it correlates with the writers' questionnaires at about .16, so a single clause is hardly
more than noise, and the posterior treats it so.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from weakref import WeakKeyDictionary

import numpy as np

from memory.persona.items import Item
from memory.persona.meaning import Embeds, Meaning, Scores, Vectors
from memory.persona.words import TRAITS, word_scores, words
from memory.reflect.prose import is_role_play, own_words
from memory.reflect.sentences import Sentence, sentences
from memory.reflect.turns import without_crisis
from memory.types import Evidence, Message, NewTraitEvidence

SPEAKS = 0.7
"""Below this score, in everyday standard deviations, a clause says nothing about a trait."""
CLEAR = 5.0
"""At this score the strength is 1; it grows with the square, so that a few clear words outweigh many vague ones."""
MAX_READ_CHARS = 20_000
"""What a message says beyond this is not read."""
_MIN_WORDS = 3

_CLAUSE = re.compile(
    r",\s*(?=(?:and|but|so|because|or|then)\s)|;\s*|\s[-–—]+\s|\.\.+|…|"
    r"\s+(?=(?:but|because|although|though|anyway|so that|and then|and i)\s)",
    re.IGNORECASE,
)
_FIRST_PERSON = re.compile(r"\b(?:i|i'm|im|i've|ive|i'd|i'll|me|my|mine|myself|we|us|our)\b")
_REQUEST = re.compile(
    r"^(?:please|pls|can you|could you|would you|will you|help me|tell me|give me|show me|explain|write|create|"
    r"generate|list|suggest|recommend|describe|make (?:me|a|an|it)|let me know|"
    r"i (?:need|want|would like|'d like) you to)\b"
)
_ENGLISH = frozenset(
    word
    for line in (
        "the and i i'm my is are was were to of it it's that this for with",
        "have has not do don't but you we they am be",
    )
    for word in line.split()
)
"""A sentence without any of these is not taken for English."""
_STRAIGHT = str.maketrans("’‘ʼ＇", "''''")
_meanings: WeakKeyDictionary[Embeds, Meaning] = WeakKeyDictionary()


@dataclass(frozen=True, slots=True)
class _Clause:
    turn: Message
    quote: str
    """A slice of the message."""


async def trait_evidence(turns: Sequence[Message], embedder: Embeds) -> tuple[NewTraitEvidence, ...]:
    """Return what the person's words in `turns`, oldest first, say about their traits.

    Raises:
        EmbedderError: the embedder failed.
    """
    clauses = list(_clauses(turns))
    if not clauses:
        return ()
    meaning = await _meaning(embedder)
    vectors = await _embedded([" ".join(clause.quote.split()) for clause in clauses], embedder)
    return await asyncio.to_thread(_judge, clauses, vectors, meaning)


async def warm(embedder: Embeds) -> None:
    """Embed once what every sentence is compared with, so that the first conversation does not wait for it.

    Raises:
        EmbedderError: the embedder failed.
    """
    await _meaning(embedder)


async def _embedded(texts: Sequence[str], embedder: Embeds) -> Vectors:
    # A batch is as slow as its longest text: neighbours of about one length take a third less time.
    by_length = sorted(range(len(texts)), key=lambda place: len(texts[place]))
    sorted_vectors = await embedder.embed([texts[place] for place in by_length], together=True)
    vectors = np.empty_like(sorted_vectors)
    vectors[by_length] = sorted_vectors
    return vectors


async def _meaning(embedder: Embeds) -> Meaning:
    if embedder not in _meanings:
        _meanings[embedder] = await Meaning.of(embedder)
    return _meanings[embedder]


def _judge(clauses: Sequence[_Clause], vectors: Vectors, meaning: Meaning) -> tuple[NewTraitEvidence, ...]:
    texts = [clause.quote for clause in clauses]
    by_meaning, named = meaning.scores(texts, vectors)
    scores: Scores = by_meaning + word_scores(texts)
    return tuple(
        _evidence(clauses[row], trait, float(scores[row, trait]), float(by_meaning[row, trait]), named[row][trait])
        for row in range(len(clauses))
        for trait in range(len(TRAITS))
        if abs(scores[row, trait]) >= SPEAKS
    )


def _evidence(clause: _Clause, trait: int, score: float, by_meaning: float, nearest: Item | None) -> NewTraitEvidence:
    # Where the words outvote the meaning, no item was spoken to.
    item = nearest.text if nearest is not None and score * by_meaning > 0 else None
    return NewTraitEvidence(
        trait=TRAITS[trait],
        direction=1 if score > 0 else -1,
        strength=min(1.0, (score / CLEAR) ** 2),
        evidence=Evidence(clause.turn.id, clause.quote),
        observed_at=clause.turn.created_at,
        item=item,
    )


# ---------------------------------------------------------------- which words are read


def _clauses(turns: Sequence[Message]) -> Iterator[_Clause]:
    playing = False
    for turn in without_crisis(turns):
        if turn.role != "user" or turn.status == "retracted":
            continue
        text = turn.text[:MAX_READ_CHARS]
        plain = _plain(text)
        playing = playing or is_role_play(plain)
        if playing or (own := own_words(text, plain)) is None:
            continue
        for start, end in _read(own):
            yield _Clause(turn, turn.text[start:end])


def _read(own: str) -> Iterator[tuple[int, int]]:
    """Yield the places of the clauses that speak of the person.

    In a message that asks for something, what is not said in the first person belongs to the task.
    """
    said = [(sentence, _plain(sentence.text)) for sentence in sentences(own)]
    asks = any("?" in plain or _REQUEST.match(plain) for _, plain in said)
    for sentence, plain in said:
        if "?" in plain or "\ufffc" in plain or _REQUEST.match(plain) or not _ENGLISH.intersection(words(plain)):
            continue
        if not asks or _FIRST_PERSON.search(plain):
            yield from _cut(sentence, own)


def _cut(sentence: Sentence, own: str) -> Iterator[tuple[int, int]]:
    start = sentence.start
    for cut in _CLAUSE.finditer(own, sentence.start, sentence.end):
        if _long_enough(own[start : cut.start()]) and _long_enough(own[cut.end() : sentence.end]):
            yield start, cut.start()
            start = cut.end()
    if _long_enough(own[start : sentence.end]):
        yield start, sentence.end


def _long_enough(clause: str) -> bool:
    return len(words(clause)) >= _MIN_WORDS


def _plain(text: str) -> str:
    """Return `text` in lower case with straight apostrophes, character for character."""
    low = text.translate(_STRAIGHT).lower()
    return low if len(low) == len(text) else "".join(one if len(one := c.lower()) == 1 else c for c in text)
