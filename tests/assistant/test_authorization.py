"""Who may do what: every route against every kind of key. A new route without a line here fails."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import pytest

from assistant.app import create_app
from assistant.config import AssistantConfig
from assistant.prompt import prompt_hash
from assistant.rollout.spec import PolicySpec
from memory.ids import new_id
from memory.portability.carry import EXPORT
from memory.types import Evidence, Kind, NewFact
from tests.fakes.backend import Backend

WHO = ("none", "user", "other", "app", "app+act_as", "admin", "revoked")
"""`user` is the person whose things are asked for and the one whom `app+act_as` names; `other` is somebody else."""

Expected = tuple[int, int, int, int, int, int, int]


def own(ok: int = 200) -> Expected:
    """What belongs to the person of the key, whoever that is."""
    return (401, ok, ok, 403, ok, 403, 401)


def theirs(ok: int = 200) -> Expected:
    """One thing of one person, named by its id."""
    return (401, ok, 404, 403, ok, 403, 401)


PUBLIC: Expected = (200,) * 7
ANY_KEY: Expected = (401, 200, 200, 200, 200, 200, 401)


def admins(ok: int = 200) -> Expected:
    """What only operators may do."""
    return (401, 403, 403, 403, 403, ok, 401)


ADMIN = admins()

SAY: dict[str, Any] = {"content": "hello"}
COMPLETE = {"model": "attune", "messages": [{"role": "user", "content": "hello"}]}
ANSWERS: dict[str, Any] = {"answers": {}}
POLICY: dict[str, Any] = {
    "version": "p1",
    "kind": "full",
    "base": "some/model",
    "sha256": "0" * 64,
    "replicas": ["http://127.0.0.1:9/v1"],
    "preset": "full",
    "prompt_hash": prompt_hash("full"),
}

TABLE: dict[str, tuple[Expected, Any]] = {
    "GET /healthz": (PUBLIC, None),
    "GET /readyz": (PUBLIC, None),
    "GET /metrics": (PUBLIC, None),
    "GET /openapi.json": (PUBLIC, None),
    "GET /docs": (PUBLIC, None),
    "GET /docs/oauth2-redirect": (PUBLIC, None),
    "GET /redoc": (PUBLIC, None),
    "GET /v1/safety/resources": (PUBLIC, None),
    "GET /v1/safety/protocol": (PUBLIC, None),
    "GET /v1/models": (ANY_KEY, None),
    "POST /v1/chat/completions": (own(), COMPLETE),
    "POST /v1/conversations": (own(201), {}),
    "GET /v1/conversations": (own(), None),
    "GET /v1/conversations/{conversation_id}": (theirs(), None),
    "PATCH /v1/conversations/{conversation_id}": (theirs(), {"title": "x"}),
    "DELETE /v1/conversations/{conversation_id}": (theirs(), None),
    "GET /v1/conversations/{conversation_id}/messages": (theirs(), None),
    "POST /v1/conversations/{conversation_id}/messages": (theirs(), SAY),
    "GET /v1/messages/{message_id}": (theirs(), None),
    "DELETE /v1/messages/{message_id}": (theirs(), None),
    "POST /v1/messages/{message_id}/regenerate": (theirs(), {}),
    "POST /v1/messages/{message_id}/edit": (theirs(409), SAY),
    "PUT /v1/messages/{message_id}/feedback": (theirs(), {"rating": "up"}),
    "GET /v1/messages/{message_id}/why": (theirs(), None),
    "GET /v1/streams/{stream_id}": (theirs(), None),
    "POST /v1/streams/{stream_id}/cancel": (theirs(202), None),
    "DELETE /v1/me": (own(), None),
    "GET /v1/me/memories": (own(), None),
    "POST /v1/me/memories": (own(201), {"text": "I live in Bern."}),
    "GET /v1/me/memories/{memory_id}": (theirs(), None),
    "GET /v1/me/memories/{memory_id}/evidence": (theirs(), None),
    "PATCH /v1/me/memories/{memory_id}": (theirs(), {"text": "I live in Basel."}),
    "DELETE /v1/me/memories/{memory_id}": (theirs(), None),
    "GET /v1/me/persona": (own(), None),
    "PATCH /v1/me/persona": (own(), {"trait": "openness", "level": "high"}),
    "DELETE /v1/me/persona": (own(), None),
    "GET /v1/me/persona/questionnaire": (own(), None),
    "POST /v1/me/persona/questionnaire": (own(422), ANSWERS),
    "GET /v1/me/settings": (own(), None),
    "PATCH /v1/me/settings": (own(), {"adult": True}),
    "POST /v1/me/export": (own(202), None),
    "GET /v1/me/export/{export_id}": (theirs(), None),
    "POST /v1/me/import": (own(), None),
    "POST /v1/me/memories/{memory_id}/confirm": (theirs(), None),
    "POST /v1/me/memories/{memory_id}/decline": (theirs(), None),
    "POST /v1/admin/import/alpsbench": (ADMIN, None),
    "POST /v1/admin/import/jsonl": (ADMIN, None),
    "GET /v1/admin/index": (ADMIN, None),
    "POST /v1/admin/index/rebuild": (ADMIN, None),
    "GET /v1/admin/keys": (ADMIN, None),
    "POST /v1/admin/keys": (admins(201), {"kind": "user"}),
    "DELETE /v1/admin/keys/{key_id}": (ADMIN, None),
    "GET /v1/admin/users": (ADMIN, None),
    "POST /v1/admin/users": (admins(201), {}),
    "GET /v1/admin/users/{person_id}": (ADMIN, None),
    "DELETE /v1/admin/users/{person_id}": (ADMIN, None),
    "GET /v1/admin/jobs": (ADMIN, None),
    "POST /v1/admin/jobs/{job_id}/retry": (ADMIN, None),
    "GET /v1/admin/audit": (ADMIN, None),
    "GET /v1/admin/safety/report": (ADMIN, None),
    "GET /v1/admin/models": (ADMIN, None),
    "POST /v1/admin/models": (admins(404), {"name": "no/such"}),
    "GET /v1/admin/policies": (ADMIN, None),
    "POST /v1/admin/policies": (admins(201), POLICY),
    "POST /v1/admin/policies/rollback": (admins(409), {}),
    "GET /v1/admin/policies/{version}": (ADMIN, None),
    "GET /v1/admin/policies/{version}/people": (ADMIN, None),
    "PUT /v1/admin/policies/{version}/reports": (ADMIN, {}),
    "POST /v1/admin/policies/{version}/canary": (admins(409), {"percent": 5}),
    "POST /v1/admin/policies/{version}/activate": (admins(409), {}),
    "POST /v1/admin/policies/{version}/retire": (ADMIN, {}),
}
"""Expected status by `WHO`, and the body that is sent; the message named is a reply."""


def routes_of(routes: Iterable[Any]) -> Iterator[str]:
    """Every method and path that is served, those of included routers too."""
    for route in routes:
        inner = getattr(route, "original_router", None)
        if inner is not None:
            yield from routes_of(inner.routes)
        else:
            yield from (f"{method} {route.path}" for method in route.methods - {"HEAD"})


@dataclass(frozen=True)
class World:
    """Two people, and a key of each kind."""

    backend: Backend
    person: str
    headers: Mapping[str, Mapping[str, str]]

    async def things(self, path: str = "") -> dict[str, str]:
        """New things of the person, or of operators, for a path to name."""
        ledger, person = self.backend.runtime.ledger, self.person
        if "/admin/" in path:
            key, _ = await ledger.keys.create("app")
            somebody = (await ledger.users.create()).id
            policy = PolicySpec.model_validate({**POLICY, "version": new_id("p")})
            await self.backend.runtime.policies.register(policy, "operator")
            things = {"key_id": key.id, "person_id": somebody, "version": policy.version}
            return {**things, "job_id": await self._failed_job(somebody)}
        conversation = (await ledger.conversations.create(person)).id
        question = (await ledger.messages.append(person, conversation, "user", "hi")).message.id
        reply = (await ledger.messages.append(person, conversation, "assistant", "ho", question)).message.id
        known = NewFact(new_id("fact"), Kind.OTHER, 0.5, "stated", (Evidence(question, "hi"),), datetime.now(UTC))
        fact = (await ledger.facts.add(person, known)).id
        say = f"/v1/conversations/{(await ledger.conversations.create(person)).id}/messages"
        said = await self.backend.client.post(say, json={**SAY, "stream": True}, headers=dict(self.headers["user"]))
        created = next(line for line in said.text.splitlines() if line.startswith("data: "))
        stream = str(json.loads(created.removeprefix("data: "))["stream_id"])
        things = {"conversation_id": conversation, "message_id": reply, "memory_id": fact, "stream_id": stream}
        return {**things, "export_id": await self._export()} if "export_id" in path else things

    async def _export(self) -> str:
        runtime = self.backend.runtime
        job = await runtime.ledger.jobs.enqueue(self.person, EXPORT, {})
        assert await runtime.worker.drain(240)
        return job.id

    async def _failed_job(self, person: str) -> str:
        job = await self.backend.runtime.ledger.jobs.enqueue(person, "unheard-of", {})
        assert await self.backend.runtime.worker.drain(240)
        return job.id


@pytest.fixture
async def world(backend: Backend) -> World:
    """A backend whose client has no key of its own."""
    ledger = backend.runtime.ledger
    app, app_secret = await ledger.keys.create("app", scopes=["act_as"])
    _, bare_app = await ledger.keys.create("app")
    person = (await ledger.users.ensure_external(app.id, "ana")).id
    _, user = await ledger.keys.create("user", person)
    _, other = await ledger.keys.create("user", (await ledger.users.create()).id)
    _, admin = await ledger.keys.create("admin")
    gone, revoked = await ledger.keys.create("user", person)
    await ledger.keys.revoke(gone.id)
    del backend.client.headers["authorization"]
    secrets = {"user": user, "other": other, "app": bare_app, "app+act_as": app_secret, "admin": admin}
    headers = {who: {"authorization": f"Bearer {secret}"} for who, secret in {**secrets, "revoked": revoked}.items()}
    headers["app+act_as"]["x-user-id"] = "ana"
    headers["app"]["x-user-id"] = "ana"
    return World(backend, person, {"none": {}, **headers})


def test_every_route_has_its_line() -> None:
    served = set(routes_of(create_app(AssistantConfig()).routes))
    assert served - set(TABLE) == set(), "say in TABLE who may use these"
    assert set(TABLE) - served == set(), "these are no longer served"


@pytest.mark.parametrize("group", ["public", "conversations", "messages", "me"])
async def test_every_key_may_do_what_the_table_says_and_nothing_else(world: World, group: str) -> None:
    wrong = []
    for route, (expected, body) in TABLE.items():
        method, path = route.split(" ")
        if _group(path) != group or route == "DELETE /v1/me":
            continue
        for who, status in zip(WHO, expected, strict=True):
            url = path.format(**await world.things(path)) if "{" in path else path
            answer = await world.backend.client.request(method, url, json=body, headers=dict(world.headers[who]))
            if answer.status_code != status:
                wrong.append(f"{route} as {who}: {answer.status_code}, expected {status}")
            if answer.status_code >= 400:
                assert answer.json()["error"]["code"]
    assert wrong == []


@pytest.mark.parametrize("who", WHO)
async def test_who_may_erase_everything_of_a_person(world: World, who: str) -> None:
    status = TABLE["DELETE /v1/me"][0][WHO.index(who)]
    answer = await world.backend.client.delete("/v1/me", headers=dict(world.headers[who]))
    assert answer.status_code == status


async def test_an_app_acts_only_for_its_own_people(world: World) -> None:
    things = await world.things()
    headers = {**world.headers["app+act_as"], "x-user-id": "somebody"}
    path = f"/v1/conversations/{things['conversation_id']}"
    assert (await world.backend.client.get(path, headers=headers)).status_code == 404
    assert (await world.backend.client.get(path, headers={**headers, "x-user-id": "ana"})).status_code == 200
    ledger = world.backend.runtime.ledger
    _, rival = await ledger.keys.create("app", scopes=["act_as"])
    mine = {"authorization": f"Bearer {rival}", "x-user-id": "ana"}
    assert (await world.backend.client.get(path, headers=mine)).status_code == 404


def _group(path: str) -> str:
    for part in ("conversations", "messages", "me"):
        if path.startswith(f"/v1/{part}"):
            return part
    return "public"
