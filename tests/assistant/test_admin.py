"""What operators do: keys, people, jobs, and the record of it."""

from __future__ import annotations

import httpx

from tests.fakes.backend import Backend

ADMIN = "/v1/admin"


def _as(secret: str) -> dict[str, str]:
    return {"authorization": f"Bearer {secret}"}


async def test_a_key_is_shown_once_works_and_ends_when_revoked(backend: Backend) -> None:
    made = await backend.client.post(f"{ADMIN}/keys", json={"kind": "user", "label": "phone"})
    assert made.status_code == 201
    key, secret = made.json()["key"], made.json()["secret"]
    assert (await backend.client.get("/v1/conversations", headers=_as(secret))).status_code == 200
    listed = (await backend.client.get(f"{ADMIN}/keys")).text
    assert key["id"] in listed
    assert secret not in listed
    files = [path for path in backend.runtime.home.glob("*") if path.is_file() and path.name != "owner.key"]
    assert files
    assert not any(secret.encode() in path.read_bytes() for path in files)
    revoked = await backend.client.delete(f"{ADMIN}/keys/{key['id']}")
    assert revoked.json()["revoked_at"]
    assert (await backend.client.get("/v1/conversations", headers=_as(secret))).status_code == 401
    acts = (await backend.client.get(f"{ADMIN}/audit", params={"subject": key["id"]})).json()["data"]
    assert [act["action"] for act in acts] == ["key.revoke", "key.create"]
    assert {act["actor"] for act in acts} == {(await backend.runtime.ledger.keys.list())[0].id}


async def test_a_key_that_does_not_fit_its_kind_is_refused(backend: Backend) -> None:
    for body in (
        {"kind": "app", "person_id": "per_1"},
        {"kind": "user", "act_as": True},
        {"kind": "owner"},
        {"kind": "admin", "scopes": ["act_as"]},
    ):
        assert (await backend.client.post(f"{ADMIN}/keys", json=body)).status_code == 422, body
    missing = await backend.client.post(f"{ADMIN}/keys", json={"person_id": "per_nobody"})
    assert missing.status_code == 404
    assert (await backend.client.delete(f"{ADMIN}/keys/key_nobody")).status_code == 404


async def test_an_app_key_names_its_people(backend: Backend) -> None:
    made = (await backend.client.post(f"{ADMIN}/keys", json={"kind": "app", "act_as": True})).json()
    headers = {**_as(made["secret"]), "x-user-id": "ana"}
    assert (await backend.client.post("/v1/conversations", headers=headers)).status_code == 201
    people = (await backend.client.get(f"{ADMIN}/users")).json()["data"]
    assert "ana" in [person["external_id"] for person in people]


async def test_people_are_added_counted_and_erased_and_the_record_has_no_words(backend: Backend) -> None:
    person = (await backend.client.post(f"{ADMIN}/users", json={"external_id": "ana"})).json()
    again = await backend.client.post(f"{ADMIN}/users", json={"external_id": "ana"})
    assert again.status_code == 409
    secret = (await backend.client.post(f"{ADMIN}/keys", json={"person_id": person["id"]})).json()["secret"]
    async with httpx.AsyncClient(base_url=backend.url, headers=_as(secret), timeout=30, trust_env=False) as ana:
        conversation = (await ana.post("/v1/conversations")).json()["id"]
        said = {"content": "My dog Biscuit has a bad hip."}
        assert (await ana.post(f"/v1/conversations/{conversation}/messages", json=said)).status_code == 200
        assert await backend.runtime.worker.drain(240)
        counts = (await backend.client.get(f"{ADMIN}/users/{person['id']}")).json()
        assert (counts["conversations"], counts["messages"], counts["facts"]) == (1, 2, 1)
        would = (await backend.client.delete(f"{ADMIN}/users/{person['id']}", params={"dry_run": True})).json()
        assert (would["dry_run"], len(would["messages"])) == (True, 2)
        receipt = (await backend.client.delete(f"{ADMIN}/users/{person['id']}")).json()
        assert (receipt["verified"], receipt["remaining"], len(receipt["messages"])) == (True, 0, 2)
        assert (await ana.get("/v1/conversations")).status_code == 401
    assert (await backend.client.get(f"{ADMIN}/users/{person['id']}")).status_code == 404
    record = await backend.client.get(f"{ADMIN}/audit", params={"subject": person["id"]})
    assert [act["action"] for act in record.json()["data"]] == ["user.erase", "forget.person", "user.create"]
    assert "Biscuit" not in record.text


async def test_a_failed_job_is_seen_and_tried_again(backend: Backend) -> None:
    person = await backend.runtime.ledger.users.create()
    job = await backend.runtime.ledger.jobs.enqueue(person.id, "unheard-of", {})
    assert await backend.runtime.worker.drain(240)
    listed = (await backend.client.get(f"{ADMIN}/jobs", params={"status": "failed"})).json()
    assert [(one["id"], one["attempts"]) for one in listed["data"]] == [(job.id, 1)]
    assert listed["counts"]["failed"] == 1
    retried = await backend.client.post(f"{ADMIN}/jobs/{job.id}/retry")
    assert (retried.status_code, retried.json()["status"], retried.json()["attempts"]) == (200, "pending", 0)
    assert await backend.runtime.worker.drain(240)
    assert (await backend.runtime.ledger.jobs.get(job.id)).attempts == 1
    assert (await backend.client.post(f"{ADMIN}/jobs/job_nobody/retry")).status_code == 404


async def test_acts_come_in_pages(backend: Backend) -> None:
    for _ in range(3):
        await backend.client.post(f"{ADMIN}/users", json={})
    first = (await backend.client.get(f"{ADMIN}/audit", params={"limit": 2})).json()
    second = (await backend.client.get(f"{ADMIN}/audit", params={"cursor": first["next_cursor"]})).json()
    assert (len(first["data"]), len(second["data"]), second["next_cursor"]) == (2, 1, None)
    assert (await backend.client.get(f"{ADMIN}/audit", params={"cursor": "x"})).status_code == 400
