import time
from collections import defaultdict
from datetime import UTC, datetime
from typing import Literal

import pytest

from memory.embedder import Embedder
from memory.persona.evidence import trait_evidence
from memory.persona.items import items
from memory.types import CrisisLevel, Message, NewTraitEvidence, Trait

NOW = datetime(2026, 5, 4, 12, tzinfo=UTC)


def said(
    text: str, id: str = "msg_1", role: Literal["user", "assistant"] = "user", crisis: CrisisLevel | None = None
) -> Message:
    return Message(id, "con_1", "per_1", None, role, text, NOW, crisis_level=crisis)


def leaning(evidence: tuple[NewTraitEvidence, ...], trait: Trait) -> float:
    return sum(piece.direction * piece.strength for piece in evidence if piece.trait == trait)


@pytest.mark.parametrize(
    ("trait", "high", "low"),
    [
        (Trait.NEUROTICISM, "I worry all the time and panic easily.", "I stay calm and nothing really scares me."),
        (Trait.EXTRAVERSION, "I love big parties and meeting new people.", "I avoid crowds and prefer to be alone."),
        (Trait.AGREEABLENESS, "I love helping my friends and family.", "I yell at people and I want revenge."),
        (Trait.CONSCIENTIOUSNESS, "I always finish my work on time.", "I never finish anything and I waste my time."),
        (Trait.OPENNESS, "The poetry of the universe fascinates me.", "We went home for lunch and then to bed."),
    ],
)
async def test_clear_words_speak_for_their_side(embedder: Embedder, trait: Trait, high: str, low: str) -> None:
    assert leaning(await trait_evidence([said(high)], embedder), trait) > 0.1
    assert leaning(await trait_evidence([said(low)], embedder), trait) < -0.1


@pytest.mark.parametrize(
    ("trait", "plain", "negated"),
    [
        (Trait.EXTRAVERSION, "I like parties.", "I don't like parties."),
        (Trait.CONSCIENTIOUSNESS, "I finish what I start.", "I never finish what I start."),
        (Trait.NEUROTICISM, "I get angry easily.", "I hardly ever get angry."),
    ],
)
async def test_negation_turns_the_evidence_around(embedder: Embedder, trait: Trait, plain: str, negated: str) -> None:
    assert leaning(await trait_evidence([said(plain)], embedder), trait) > 0
    assert leaning(await trait_evidence([said(negated)], embedder), trait) < 0


async def test_evidence_quotes_the_message_and_names_the_item(embedder: Embedder) -> None:
    text = "It was a long day. I worry about  everything, but I still went to the party!"
    evidence = await trait_evidence([said(text)], embedder)
    assert evidence
    assert all(piece.evidence.quote in text for piece in evidence)
    assert all(0 < piece.strength <= 1 and piece.source == "offline" for piece in evidence)
    worried = next(piece for piece in evidence if "worry" in piece.evidence.quote and piece.trait == Trait.NEUROTICISM)
    assert worried.direction == 1
    assert worried.item in {item.text for item in items() if item.trait == Trait.NEUROTICISM}
    assert worried.observed_at == NOW


async def test_one_clause_speaks_once_for_a_trait(embedder: Embedder) -> None:
    seen: dict[tuple[str, Trait], int] = defaultdict(int)
    for piece in await trait_evidence([said("I worry a lot, but I love my friends. I work hard.")], embedder):
        seen[piece.evidence.quote, piece.trait] += 1
    assert set(seen.values()) == {1}


@pytest.mark.parametrize(
    "text",
    [
        "",
        "ok",
        "Do I worry too much about everything?",
        "Write a story about a man who worries about everything and hates himself.",
        "Let's roleplay. I am a nervous wreck and I panic easily.",
        "Please explain how to calm down under pressure.",
        "> I hate myself and I panic easily",
        "Ich mache mir ständig Sorgen um alles und habe vor vielem Angst.",
        "私はいつも心配しています。",
    ],
)
async def test_what_is_not_the_person_speaking_of_themselves_says_nothing(embedder: Embedder, text: str) -> None:
    assert await trait_evidence([said(text)], embedder) == ()


async def test_in_a_message_that_asks_only_the_first_person_counts(embedder: Embedder) -> None:
    text = "People panic easily and hate themselves. I worry about everything. Can you help me?"
    quotes = {piece.evidence.quote for piece in await trait_evidence([said(text)], embedder)}
    assert quotes == {"I worry about everything."}


@pytest.mark.parametrize("level", ["high", "imminent"])
async def test_crisis_turns_and_the_assistant_say_nothing(
    embedder: Embedder, level: Literal["high", "imminent"]
) -> None:
    turns = [
        said("I hate myself and I can't deal with anything.", "msg_1", crisis=level),
        said("I am an assistant and I love helping people.", "msg_2", role="assistant"),
    ]
    assert await trait_evidence(turns, embedder) == ()


async def test_ten_thousand_sentences_are_read_at_a_rate_that_takes_under_three_minutes(embedder: Embedder) -> None:
    await trait_evidence([said("I worry about everything.")], embedder)
    subjects = ("my exam", "my friends", "the new job", "our garden", "this music", "my sister", "the party", "my work")
    verbs = ("I worry about", "I often think about", "I am looking forward to", "I never liked", "I was late for")
    text = " ".join(f"{verb} {subject} on day {day}." for verb in verbs for subject in subjects for day in range(5))
    started = time.process_time()
    evidence = await trait_evidence([said(text)], embedder)
    seconds = time.process_time() - started
    assert len({piece.evidence.quote for piece in evidence}) > 100
    # CPU time of 200 sentences; two cores have 360 CPU seconds in three minutes for 10,000.
    assert seconds < 200 / 10_000 * 360
