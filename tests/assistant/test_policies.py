"""A policy's road over HTTP: registered, measured, a canary, live, and taken back, with a conversation going on."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from assistant.config import PoliciesConfig
from memory.ids import new_id
from tests.fakes import policies
from tests.fakes.backend import Backend, running
from tests.fakes.embedding import shared_embedder
from tests.fakes.scripted_answers import Answer, reply
from tests.fakes.scripted_model import ScriptedModel
from tests.fakes.scripted_server import Recorded, ScriptedServer

PATH = "/v1/admin/policies"


def by_name(request: Recorded) -> Answer:
    """Say which model was asked."""
    return reply(f"I am {request.json['model']}.")


@pytest.fixture
async def servers() -> AsyncIterator[tuple[ScriptedServer, ScriptedServer]]:
    """Two replicas."""
    async with (
        ScriptedServer(takes_loras=True, default=by_name) as one,
        ScriptedServer(takes_loras=True, default=by_name) as two,
    ):
        yield one, two


@pytest.fixture
async def backend(tmp_path: Path) -> AsyncIterator[Backend]:
    settings = PoliciesConfig(canary_turns=1, poll_s=0.05)
    model = ScriptedModel(default="I am configured.")
    async with running(tmp_path / "home", policy=model, embedder=shared_embedder(), policies=settings) as backend:
        yield backend


async def asked(backend: Backend, method: str, path: str = "", body: Any = None, expect: int = 200) -> dict[str, Any]:
    answer = await backend.client.request(method, f"{PATH}{path}", json=body)
    assert answer.status_code == expect, answer.text
    found: dict[str, Any] = answer.json()
    return found


async def replied(backend: Backend, conversation: str) -> tuple[str, str]:
    """Say something new; returns the reply and the version it is recorded under."""
    answer = (await backend.say(conversation, f"How are you? {new_id('msg')}")).json()
    return answer["message"]["text"], answer["policy_version"]


async def test_the_whole_road_of_a_policy(
    backend: Backend, servers: tuple[ScriptedServer, ScriptedServer], tmp_path: Path
) -> None:
    path, urls = policies.adapter(tmp_path / "p1", "weights"), [server.base_url for server in servers]
    conversation = await backend.conversation()
    assert await replied(backend, conversation) == ("I am configured.", "openai_compatible:scripted")

    made = await asked(backend, "POST", "", policies.spec("p1", path, *urls).model_dump(mode="json"), expect=201)
    assert (made["stage"], [gate["gate"] for gate in made["closed_gates"]]) == (
        "candidate",
        ["evaluation", "safety", "canary"],
    )
    refused = await asked(backend, "POST", "/p1/canary", {"percent": 100}, expect=409)
    assert refused["error"]["code"] == "gate_closed" and "safety: there is no safety report" in str(refused)
    reports = {"evaluation": policies.evaluation(path, "configured"), "safety": policies.safety(path)}
    await asked(backend, "PUT", "/p1/reports", reports)
    refused = await asked(backend, "POST", "/p1/activate", expect=409)
    assert "canary: it is no canary" in refused["error"]["message"]

    await asked(backend, "POST", "/p1/canary", {"percent": 100})
    assert all("attune-p1" in server.models for server in servers)
    assert await replied(backend, conversation) == ("I am configured.", "openai_compatible:scripted"), "it began so"
    fresh = await backend.conversation()
    assert await replied(backend, fresh) == ("I am attune-p1.", "p1")
    await backend.runtime.answering.watch()

    live = await asked(backend, "POST", "/p1/activate")
    assert (live["stage"], live["closed_gates"]) == ("live", [])
    assert await replied(backend, conversation) == ("I am attune-p1.", "p1"), "the same conversation goes on"
    assert (await asked(backend, "GET"))["answers"] == "p1"

    back = await asked(backend, "POST", "/rollback", {"reason": "people complain"})
    assert (back["version"], back["stage"]) == ("configured", "live")
    assert await replied(backend, conversation) == ("I am configured.", "openai_compatible:scripted")
    assert "attune-p1" in servers[0].models, "it stays loaded"
    await asked(backend, "POST", "/p1/retire")
    assert all("attune-p1" not in server.models for server in servers)
    acts = [entry.action for entry in await backend.runtime.ledger.audit.list("p1", 20)]
    assert acts[::-1] == [
        "policy.register",
        "policy.note",
        "policy.canary",
        "policy.activate",
        "policy.retire",
    ]
    keys = {entry.actor for entry in await backend.runtime.ledger.audit.list("p1", 20)}
    assert all(actor.startswith("key_") for actor in keys)


async def test_what_people_make_of_replies_and_how_they_go_is_told_by_version(
    backend: Backend, servers: tuple[ScriptedServer, ScriptedServer], tmp_path: Path
) -> None:
    path = policies.adapter(tmp_path / "p1", "weights")
    spec = policies.spec("p1", path, servers[0].base_url).model_dump(mode="json")
    await asked(backend, "POST", "", {**spec, "safety": policies.safety(path)}, expect=201)
    await asked(backend, "POST", "/p1/canary", {"percent": 100})
    conversation = await backend.conversation()
    answer = (await backend.say(conversation, "How are you?")).json()["message"]
    await backend.client.put(f"/v1/messages/{answer['id']}/feedback", json={"rating": "down"})
    await backend.client.post(f"/v1/messages/{answer['id']}/regenerate", json={})
    shown = await asked(backend, "GET", "/p1")
    usage = {"replies": 2, "partial": 0, "retracted": 0, "regenerated": 1, "liked": 0, "disliked": 1}
    assert shown["policy"]["usage"] == usage
    assert shown["details"]["safety"]["cases"] == 20
    metrics = (await backend.client.get("/metrics")).text
    assert 'attune_turns_total{outcome="complete",policy_version="p1"} 2.0' in metrics
    assert 'attune_first_token_seconds_count{policy_version="p1"} 2.0' in metrics


async def test_files_that_changed_after_they_were_registered_are_not_loaded(
    backend: Backend, servers: tuple[ScriptedServer, ScriptedServer], tmp_path: Path
) -> None:
    path = policies.adapter(tmp_path / "p1", "weights")
    spec = policies.spec("p1", path, servers[0].base_url).model_dump(mode="json")
    await asked(backend, "POST", "", {**spec, "sha256": "0" * 64}, expect=409)
    await asked(backend, "POST", "", {**spec, "safety": policies.safety(path)}, expect=201)
    (path / "adapter_model.safetensors").write_text("other weights", encoding="utf-8")
    refused = await asked(backend, "POST", "/p1/canary", {"percent": 5}, expect=503)
    assert "is not what was registered as p1" in refused["error"]["message"]
    assert "attune-p1" not in servers[0].models


async def test_servers_that_have_not_the_policy_keep_it_from_answering(
    backend: Backend, servers: tuple[ScriptedServer, ScriptedServer], tmp_path: Path
) -> None:
    path = policies.adapter(tmp_path / "p1", "weights")
    base = {**policies.spec("p1", path, *(server.base_url for server in servers)).model_dump(mode="json")}
    base["safety"] = policies.safety(path)
    await asked(backend, "POST", "", base, expect=201)
    servers[1].takes_loras = False
    refused = await asked(backend, "POST", "/p1/canary", {"percent": 5}, expect=503)
    assert "VLLM_ALLOW_RUNTIME_LORA_UPDATING" in refused["error"]["message"]
    await servers[1].refuse()
    refused = await asked(backend, "POST", "/p1/canary", {"percent": 5}, expect=503)
    assert refused["error"]["code"] == "rollout_failed" and "start it" in refused["error"]["message"]
    full = {**base, "version": "p2", "kind": "full", "served_name": "big", "replicas": [servers[0].base_url]}
    await asked(backend, "POST", "", full, expect=201)
    refused = await asked(backend, "POST", "/p2/canary", {"percent": 5}, expect=503)
    assert "attune serve-policy p2" in refused["error"]["message"]
    servers[0].models.append("big")
    assert (await asked(backend, "POST", "/p2/canary", {"percent": 5}))["canary_percent"] == 5
