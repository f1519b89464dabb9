"""The second look: a model on real HTTP is asked about messages in doubt; it may raise a level and lowers none."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from assistant import wire
from assistant.errors import ModelGarbledError
from assistant.safety.screen import LEVELS, Screen, screen
from memory.types import CrisisLevel
from tests.fakes.backend import Backend, running
from tests.fakes.embedding import shared_embedder
from tests.fakes.gate import Gate
from tests.fakes.scripted_answers import Scripted, drop, error, hang, not_json, reply
from tests.fakes.scripted_model import ScriptedModel
from tests.fakes.scripted_server import ScriptedServer

# The rules have no words of Russian, so that whatever is said in it is in doubt.
UNSURE = "Я больше не вижу смысла, таблетки лежат передо мной"
HARMLESS = "What is a good recipe for soup?"
PLAIN = "I want to kill myself tonight"


@asynccontextmanager
async def looking_twice(home: Path, server: ScriptedServer, seconds: float = 20.0) -> AsyncIterator[Backend]:
    look = {"engine": "openai_compatible", "base_url": server.base_url, "model": "scripted", "retries": 0}
    safety = {"second_look": look, "second_look_s": seconds}
    async with running(home, policy=ScriptedModel(), embedder=shared_embedder(), safety=safety) as backend:
        yield backend


def judged(level: str, category: str = "self_harm") -> str:
    return json.dumps({"level": level, "category": category})


async def level_of(backend: Backend, text: str) -> wire.Safety | None:
    conversation = await backend.conversation()
    events = [event async for event in backend.stream(conversation, text)]
    assert events[-1].type == "message.completed"
    return next((event for event in events if isinstance(event, wire.Safety)), None)


async def test_a_model_raises_what_the_rules_have_no_words_for(tmp_path: Path) -> None:
    async with ScriptedServer(structured=judged("imminent")) as server, looking_twice(tmp_path, server) as backend:
        safety = await level_of(backend, UNSURE)
        assert safety is not None and (safety.level, safety.categories) == ("imminent", ["self_harm"])
        assert safety.resources is not None
        assert UNSURE in server.chats[0].json["messages"][0]["content"]
        assert backend.runtime.metrics.second_look_count("raised") == 1


async def test_what_a_model_raised_is_never_learned_from_and_stays_raised_when_asked_again(tmp_path: Path) -> None:
    async with ScriptedServer(structured=judged("high")) as server, looking_twice(tmp_path, server) as backend:
        conversation = await backend.conversation()
        await backend.say(conversation, UNSURE)
        assert sum((await backend.runtime.ledger.jobs.counts()).values()) == 0
        said, answered = await backend.messages(conversation)
        stored = await backend.runtime.ledger.messages.get(backend.runtime.owner.id, said["id"])
        assert stored is not None and stored.crisis_level == "high"
        asked = len(server.chats)
        again = await backend.client.post(f"/v1/messages/{answered['id']}/regenerate", json={})
        safety = wire.Reply.model_validate(again.json()).safety
        assert safety is not None and safety.level == "high"
        assert len(server.chats) == asked


async def test_a_model_is_not_asked_about_what_is_plain(tmp_path: Path) -> None:
    async with ScriptedServer(structured=judged("none", "none")) as server, looking_twice(tmp_path, server) as backend:
        assert await level_of(backend, HARMLESS) is None
        safety = await level_of(backend, PLAIN)
        assert safety is not None and safety.level in ("high", "imminent")
        assert server.chats == []


async def test_a_model_that_finds_nothing_leaves_the_level(tmp_path: Path) -> None:
    async with ScriptedServer(structured=judged("none", "none")) as server, looking_twice(tmp_path, server) as backend:
        assert await level_of(backend, UNSURE) is None
        assert backend.runtime.metrics.second_look_count("kept") == 1


@pytest.mark.parametrize(
    "answer",
    [hang(), drop(), error(500), not_json(), reply("I hear you."), reply('{"level": "fine", "category": "none"}')],
    ids=["silent", "dropped", "500", "web page", "prose", "unknown level"],
)
async def test_a_second_look_that_fails_is_concern_and_the_turn_goes_on(tmp_path: Path, answer: Scripted) -> None:
    async with ScriptedServer(default=answer) as server, looking_twice(tmp_path, server, seconds=2.0) as backend:
        safety = await level_of(backend, UNSURE)
        assert safety is not None and (safety.level, safety.resources) == ("concern", None)
        assert backend.runtime.metrics.second_look_count("failed") == 1


def recalls(backend: Backend) -> float:
    registry = backend.runtime.metrics.registry
    counted = [registry.get_sample_value("attune_recalls_total", {"status": one}) for one in ("ok", "words", "timeout")]
    return sum(count or 0 for count in counted)


async def test_recall_goes_on_beside_the_screen_and_happens_once(tmp_path: Path) -> None:
    gate = Gate()
    async with ScriptedServer(reply([gate, judged("concern")])) as server, looking_twice(tmp_path, server) as backend:
        conversation = await backend.conversation()
        sending = asyncio.create_task(backend.say(conversation, UNSURE))
        await gate.reached.wait()
        assert await backend.messages(conversation) == []
        assert recalls(backend) or "recall" in {task.get_name() for task in asyncio.all_tasks()}
        gate.open()
        assert (await sending).status_code == 200
        assert recalls(backend) == 1


async def test_what_was_recalled_is_not_kept_for_another_try(tmp_path: Path) -> None:
    model = ScriptedModel(ModelGarbledError("nothing"), "Here I am.")
    async with running(tmp_path, policy=model, embedder=shared_embedder()) as backend:
        conversation = await backend.conversation()
        failed = await backend.say(conversation, HARMLESS, client_message_id="one")
        assert failed.status_code == ModelGarbledError.status
        assert (await backend.say(conversation, HARMLESS, client_message_id="one")).status_code == 200
        assert recalls(backend) == 2


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("wanted", LEVELS)
def test_a_screen_is_raised_and_never_lowered(level: CrisisLevel, wanted: CrisisLevel) -> None:
    before = Screen(level, ("abuse",), ("rule",), doubtful=level in ("none", "concern"))
    after = before.at_least(wanted, "self_harm", rule="later")
    if LEVELS.index(wanted) <= LEVELS.index(level):
        assert after is before
    else:
        assert (after.level, after.categories, after.matched) == (wanted, ("self_harm", "abuse"), ("later", "rule"))
        assert after.doubtful is not after.crisis


def test_no_crisis_is_in_doubt() -> None:
    assert not screen(PLAIN, doubts=True).doubtful
    assert screen(UNSURE, doubts=True).doubtful
