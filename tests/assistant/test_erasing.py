import asyncio
from pathlib import Path

from memory.ledger.going import Target
from tests.fakes.backend import Backend, running
from tests.fakes.embedding import shared_embedder
from tests.fakes.gate import Gate
from tests.fakes.scripted_model import ScriptedModel


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
