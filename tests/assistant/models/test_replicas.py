import pytest

from assistant.errors import ModelUnreachableError
from assistant.models.door import Prompt, Sampling, TextDelta
from assistant.models.replicas import Replicas
from tests.fakes.scripted_model import ScriptedModel

DOWN = ModelUnreachableError("nothing answers there")
PEOPLE = [f"per_{number}" for number in range(64)]


async def said(model: Replicas, person: str) -> str:
    stream = model.stream(Prompt(({"role": "user", "content": "hi"},), cache_salt=person), Sampling())
    return "".join([piece.text async for piece in stream if isinstance(piece, TextDelta)])


async def test_a_person_keeps_to_one_server_and_people_spread_over_all() -> None:
    model = Replicas([ScriptedModel(default=name) for name in ("a", "b", "c")])
    where = {person: await said(model, person) for person in PEOPLE}
    assert where == {person: await said(model, person) for person in PEOPLE}
    assert set(where.values()) == {"a", "b", "c"}


async def test_the_others_take_over_before_the_first_token() -> None:
    servers = [ScriptedModel(default=name) for name in ("a", "b")]
    servers[0].down = DOWN
    model = Replicas(servers)
    assert {await said(model, person) for person in PEOPLE} == {"b"}
    assert await model.complete([], Sampling()) == "b"
    await model.check()
    servers[1].down = DOWN
    for refused in (said(model, "per_1"), model.complete([], Sampling()), model.check()):
        with pytest.raises(ModelUnreachableError):
            await refused


async def test_after_the_first_token_nothing_is_tried_elsewhere() -> None:
    servers = [ScriptedModel(default=["half", DOWN]), ScriptedModel(default=["half", DOWN])]
    with pytest.raises(ModelUnreachableError):
        await said(Replicas(servers), "per_1")
    assert sorted(len(server.prompts) for server in servers) == [0, 1]


async def test_closing_closes_every_server() -> None:
    servers = [ScriptedModel(), ScriptedModel()]
    await Replicas(servers).aclose()
    assert all(server.closed for server in servers)
