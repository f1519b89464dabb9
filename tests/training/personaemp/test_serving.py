"""The prompt of an example is the prompt that serving would send."""

from __future__ import annotations

import tomllib
from datetime import UTC, datetime
from pathlib import Path

import pytest

from assistant.prompt import Preset
from memory.config import RecallConfig
from memory.ids import new_id
from memory.persona.beliefs import Beliefs
from tests.fakes.backend import Backend, running
from tests.fakes.embedding import shared_embedder
from tests.fakes.scripted_model import ScriptedModel
from training.example import Trait
from training.personaemp.drops import DroppedError
from training.personaemp.record import Posterior, RecordMemory, Turn
from training.personaemp.serving import PromptConfig, Prompter
from training.personaemp.vectors import SharedVectors

CASES = Path(__file__).parents[2] / "memory" / "recall_cases.toml"
PATIENT = {"recall": {"deadline_ms": 60_000}}


async def known_by(backend: Backend) -> tuple[list[RecordMemory], dict[Trait, Posterior]]:
    """What the ledger knows of the owner, in the form that training reads."""
    ledger = backend.runtime.ledger
    person = (await ledger.users.list())[0][0].id
    facts, _ = await ledger.facts.list(person, limit=200)
    memories = [
        RecordMemory(
            fact.id,
            fact.text,
            fact.kind.value,
            at=fact.valid_from,
            message_ids=tuple(evidence.message_id for evidence in fact.evidence),
            fact_id=fact.id,
            confidence=fact.confidence,
            unconfirmed=fact.unconfirmed,
        )
        for fact in facts
    ]
    persona = await Beliefs(ledger).persona(person, datetime.now(UTC))
    traits: dict[Trait, Posterior] = {
        trait.value: Posterior(one.mean, one.sd, one.evidence_count, None) for trait, one in persona.estimates.items()
    }
    return memories, traits


@pytest.mark.parametrize("preset", ["paper", "full"])
async def test_serving_and_training_give_the_same_messages(
    tmp_path: Path, preset: Preset, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ATTUNE_POLICY__PRESET", preset)
    person = tomllib.loads(CASES.read_text(encoding="utf-8"))["tuned"]
    messages = [*list(person["related"])[:2], person["unrelated"][0], "What do you remember about me?"]
    model = ScriptedModel(default="How was that for you?")
    config = PromptConfig(preset=preset)
    history: list[Turn] = []
    recalled = anyway = 0
    await shared_embedder().ready()
    async with running(tmp_path, policy=model, embedder=shared_embedder(), memory=PATIENT) as backend:
        for text in list(person["facts"].values())[:6]:
            await backend.say(await backend.conversation(), text)
        conversation = await backend.conversation()
        for message in messages:
            await backend.memories()
            memories, traits = await known_by(backend)
            await backend.say(conversation, message)
            async with SharedVectors.open(shared_embedder()) as vectors:
                prompted = await Prompter(vectors, config).prompt(message, memories, history, traits)
            assert prompted.messages == model.prompts[-1].messages
            recalled += len(prompted.memories) - prompted.profile
            anyway += prompted.profile
            history += [
                Turn(f"t{len(history)}", conversation, "user", message),
                Turn(f"t{len(history) + 1}", conversation, "assistant", "How was that for you?"),
            ]
    assert recalled > 2
    assert anyway > 2


async def test_what_has_no_room_is_left_out_from_the_least_relevant_and_told() -> None:
    topics = ("knees", "boss", "sister", "exam")
    memories = [
        RecordMemory(
            new_id("fact"), f"The {topic} have hurt and worried me for weeks, {'and on ' * 300}", label="state"
        )
        for topic in topics
    ]
    wide = PromptConfig(context_tokens=8192, recall=RecallConfig(token_budget=4000, min_score=-1))
    tight = wide.model_copy(update={"context_tokens": 3400})
    message = "My knees hurt again and my boss does not care at all."
    everything = await Prompter(shared_embedder(), wide).prompt(message, memories)
    some = await Prompter(shared_embedder(), tight).prompt(message, memories)
    assert everything.left_out == 0
    assert some.left_out > 0
    assert some.memories == everything.memories[: len(everything.memories) - some.left_out]
    assert all(memory.text.strip() in some.messages[-1]["content"] for memory in some.memories)


async def test_a_message_too_long_by_itself_is_refused_not_cut() -> None:
    with pytest.raises(DroppedError) as refused:
        await Prompter(shared_embedder(), PromptConfig(context_tokens=1600)).prompt("so tired " * 2000, [])
    assert refused.value.reason == "too_long"


async def test_a_crisis_is_no_matter_of_training() -> None:
    with pytest.raises(DroppedError) as refused:
        await Prompter(shared_embedder(), PromptConfig()).prompt("I want to kill myself tonight.", [])
    assert refused.value.reason == "crisis"
