"""The model that reflects is down, slow, or garbles: nothing is learned, visibly, and another try learns it."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from assistant.config import ModelConfig
from assistant.models.auto import complete_for
from assistant.models.openai_compatible import OpenAICompatible
from memory.config import MemoryConfig, ReflectionConfig
from memory.ledger.ledger import Ledger
from memory.queue import ReflectionWorker
from tests.fakes import scripted_answers as say
from tests.fakes.fact_index import RememberingIndex
from tests.fakes.scripted_server import ScriptedServer

SECRET = "zanzibar"
SAID = f"I am a nurse in {SECRET}."
NURSE = {"text": "Is a nurse", "kind": "background", "turn": 1, "quote": "nurse", "confidence": 0.9, "origin": "stated"}
WHOLE = json.dumps({"facts": [NURSE], "traits": [], "feeling": None})


def found(**changes: object) -> str:
    return json.dumps({"facts": [NURSE], "traits": [], "feeling": None, **changes})


FAULTS: dict[str, say.Scripted] = {
    "down: closes without a byte": say.drop(),
    "down: 500": say.error(500, SECRET),
    "down: 503": say.error(503),
    "too many requests": say.error(429),
    "refuses the key": say.error(401),
    "refuses the request": say.error(400, SECRET),
    "slow: not one byte": say.hang(),
    "slow: stops in the middle": say.hang_after('{"facts": ['),
    "cut in the middle": say.cut_after('{"facts": ['),
    "an error in the stream": say.error_in_stream('{"facts": ['),
    "a web page": say.not_json(),
    "nothing": say.Raw(b""),
    "bytes that are no text": say.events("\\x00\\xff{"),
    "no reply at all": say.events("[DONE]"),
    "an empty reply": say.reply([""]),
    "null": say.reply(["null"]),
    "an empty object": say.reply(["{}"]),
    "an empty list": say.reply(["[]"]),
    "a number": say.reply(["7"]),
    "a refusal": say.reply(f"I am sorry, I cannot talk about {SECRET}."),
    "half an object": say.reply([WHOLE[:-20]]),
    "half an object, and says so": say.reply([WHOLE[:-20]], finish_reason="length"),
    "prose around it": say.reply([f"Here you are: {WHOLE} I hope this helps!"]),
    "two objects": say.reply([WHOLE + WHOLE]),
    "single quotes": say.reply([WHOLE.replace('"', "'")]),
    "JSON in a string": say.reply([json.dumps(WHOLE)]),
    "deep nesting": say.reply(['{"facts": ' + "[" * 50_000]),
    "facts that are words": say.reply([found(facts=["nurse"])]),
    "facts that are none": say.reply([found(facts=None)]),
    "facts that are an object": say.reply([found(facts={"text": "nurse"})]),
    "no traits": say.reply([json.dumps({"facts": [NURSE]})]),
    "a fact without its words": say.reply([found(facts=[{"text": "Is a nurse"}])]),
}


@pytest.mark.parametrize("fault", FAULTS)
async def test_a_fault_of_the_model_is_a_visible_failure_and_never_an_empty_result(
    fault: str, empty_home: Path, tmp_path: Path
) -> None:
    home = Path(shutil.copytree(empty_home, tmp_path / "home"))
    timeouts = {"first_token_timeout_s": 2.0, "between_tokens_timeout_s": 2.0} if "slow" in fault else {}
    async with ScriptedServer(default=FAULTS[fault]) as server, Ledger.open(MemoryConfig(home=home)) as ledger:
        model = OpenAICompatible(ModelConfig(base_url=server.base_url, retries=0, **timeouts))
        patient = OpenAICompatible(ModelConfig(base_url=server.base_url))
        once, index = ReflectionConfig(max_attempts=1), RememberingIndex()
        worker, again = (ReflectionWorker(ledger, index, complete_for(asked), once, "w1") for asked in (model, patient))
        person = (await ledger.users.create()).id
        conversation = (await ledger.conversations.create(person)).id
        message = (await ledger.messages.append(person, conversation, "user", SAID)).message
        payload = {"conversation_id": conversation, "message_ids": [message.id]}
        job = await ledger.jobs.enqueue(person, "reflect", payload)

        assert await worker.drain(240)
        failed = await ledger.jobs.get(job.id)
        assert failed.status == "failed" and failed.error and SECRET not in failed.error
        assert await ledger.facts.list(person, None) == ([], None)
        assert index.texts == {}
        assert (await ledger.messages.get(person, message.id)).text == SAID

        server.default = say.reply([WHOLE])
        await ledger.jobs.requeue(job.id)
        assert await again.drain(240)
        assert (await ledger.jobs.get(job.id)).status == "done"
        assert list(index.texts.values()) == ["Is a nurse"]
        for asked in (model, patient):
            await asked.aclose()
