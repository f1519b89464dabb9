import asyncio
import secrets
from pathlib import Path

from memory.ledger.erasures import Target
from memory.types import Evidence, NewTraitEvidence, Trait
from tests.fakes.backend import Backend, running
from tests.fakes.embedding import shared_embedder
from tests.fakes.gate import Gate
from tests.fakes.scripted_model import ScriptedModel


def in_files(home: Path, canary: str) -> list[str]:
    forms = [canary.encode(code) for code in ("utf-8", "utf-16-le", "utf-16-be")]
    files = (path for path in home.rglob("*") if path.is_file())
    return [str(path) for path in files if any(form in path.read_bytes() for form in forms)]


async def test_forgetting_a_memory_says_what_goes_and_then_takes_it(backend: Backend) -> None:
    await backend.say(await backend.conversation(), "My dog is called Biscuit.")
    (memory,) = await backend.memories()
    path = f"/v1/me/memories/{memory['id']}"
    planned = (await backend.client.delete(path, params={"dry_run": "true"})).json()
    assert (planned["forgotten"], planned["dry_run"], planned["receipt"]["verified"]) == ([memory["id"]], True, False)
    assert len(await backend.memories()) == 1
    done = (await backend.client.delete(path)).json()
    assert (done["forgotten"], done["receipt"]["verified"], done["receipt"]["remaining"]) == ([memory["id"]], True, 0)
    assert await backend.memories() == []
    assert (await backend.client.delete(path)).status_code == 404


async def test_erasing_the_owner_leaves_a_backend_that_goes_on(backend: Backend) -> None:
    await backend.say(await backend.conversation(), "My dog is called Biscuit.")
    assert await backend.memories()
    planned = (await backend.client.delete("/v1/me", params={"dry_run": "true"})).json()
    done = (await backend.client.delete("/v1/me")).json()
    assert {name: planned[name] for name in ("facts", "messages", "conversations")} == {
        name: done[name] for name in ("facts", "messages", "conversations")
    }
    assert (done["verified"], done["remaining"], len(done["messages"])) == (True, 0, 2)
    assert done["unprovable"]
    assert await backend.memories() == []
    assert (await backend.say(await backend.conversation(), "I row.")).status_code == 200


async def test_a_running_reply_is_stopped_before_everything_goes(tmp_path: Path) -> None:
    gate = Gate()
    policy = ScriptedModel(["So far", gate, " never said"])
    async with running(tmp_path, policy=policy, embedder=shared_embedder()) as backend:
        conversation = await backend.conversation()
        asked = asyncio.create_task(backend.say(conversation, "My dog is called Biscuit."))
        await gate.reached.wait()
        done = (await backend.client.delete("/v1/me")).json()
        assert (done["verified"], done["remaining"]) == (True, 0)
        await asked
        assert (await backend.client.get("/v1/conversations")).json()["data"] == []


async def test_a_canary_is_in_no_file_while_the_backend_runs_nor_after(tmp_path: Path) -> None:
    # Letters only: long numbers are no facts.
    canaries = ["Biscuit" + "".join(secrets.choice("bdfgklmnprtvz") for _ in range(12)) for _ in range(3)]
    policy = ScriptedModel(default="I hear you.")
    async with running(tmp_path, policy=policy, embedder=shared_embedder()) as backend:
        ledger, owner = backend.runtime.ledger, backend.runtime.owner.id
        said = []
        sayings = ("My dog is called {}.", "I work as a nurse in {}.", "My sister plays chess in {}.")
        for canary, saying in zip(canaries, sayings, strict=True):
            conversation = await backend.conversation()
            await backend.say(conversation, saying.format(canary))
            message = (await backend.messages(conversation))[0]
            said.append(message["id"])
            new = NewTraitEvidence(
                Trait.OPENNESS, 1, 0.5, Evidence(message["id"], canary), backend.runtime.owner.created_at
            )
            await ledger.traits.add(owner, conversation, new)
            await ledger.jobs.enqueue(owner, "note", {"message_ids": [message["id"]], "text": canary})
        facts = {canary: one["id"] for canary in canaries for one in await backend.memories() if canary in one["text"]}
        assert len(facts) == 3

        await backend.client.delete(f"/v1/me/memories/{facts[canaries[0]]}")
        assert not [path for path in in_files(tmp_path, canaries[0]) if "index" in path]
        for id, canary in zip(said[:2], canaries[:2], strict=True):
            receipt = (await backend.client.delete(f"/v1/messages/{id}")).json()
            assert (receipt["verified"], receipt["remaining"]) == (True, 0)
            assert in_files(tmp_path, canary) == []
        assert in_files(tmp_path, canaries[2])
        await backend.client.delete("/v1/me")
        assert [in_files(tmp_path, canary) for canary in canaries] == [[], [], []]
    assert [in_files(tmp_path, canary) for canary in canaries] == [[], [], []]


async def test_a_job_to_forget_that_a_crash_left_is_done_at_the_next_start(tmp_path: Path) -> None:
    async with running(tmp_path, policy=ScriptedModel(), embedder=shared_embedder()) as backend:
        await backend.say(await backend.conversation(), "My dog is called Biscuit.")
        (memory,) = await backend.memories()
        ledger, owner = backend.runtime.ledger, backend.runtime.owner.id
        target = Target("fact", (memory["id"],))
        payload = {"scope": target.scope, "ids": list(target.ids)}
        job = await ledger.jobs.enqueue(owner, "forget", payload)
        await ledger.jobs.claim("somebody dead", 3600)
    async with running(tmp_path, policy=ScriptedModel(), embedder=shared_embedder()) as backend:
        assert await backend.memories() == []
        assert (await backend.runtime.ledger.jobs.get(job.id)).status == "done"
