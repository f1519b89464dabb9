from dataclasses import replace
from typing import Any

from tests.fakes.embedding import shared_embedder
from tests.fakes.judging import example
from tests.fakes.scripted_answers import reply
from tests.fakes.scripted_server import ScriptedServer
from training.caller import Caller
from training.endpoint import Endpoint
from training.evaluation.config import PolicyConfig
from training.evaluation.policies import Policy
from training.example import Memory

OWN = example()
DONOR = replace(example("e2"), person="p2", memory=(Memory("Breeds rabbits with his brother in Tromso."),))


async def prompted(**changes: Any) -> str:
    async with ScriptedServer(default=reply("Somebody who nurses at night.")) as server:
        endpoint = Endpoint(base_url=server.base_url, model="scripted", concurrency=1)
        async with Caller.open(endpoint) as caller:
            policy = Policy(PolicyConfig(endpoint=endpoint, **changes), caller, shared_embedder(), 0)
            return (await policy.prompt(OWN, DONOR))[0][-1]["content"]


async def test_each_policy_sees_the_memories_that_its_configuration_allows() -> None:
    full, none, other = [await prompted(memories=which) for which in ("full", "none", "mismatched")]
    assert [OWN.memory[1].text in text for text in (full, none, other)] == [True, False, False]
    assert [DONOR.memory[0].text in text for text in (full, none, other)] == [False, False, True]
    assert all(text.endswith(OWN.query) for text in (full, none, other))


async def test_a_summary_stands_in_place_of_the_memories() -> None:
    text = await prompted(way="summary")
    assert "Somebody who nurses at night." in text
    assert not any(memory.text in text for memory in OWN.memory)
