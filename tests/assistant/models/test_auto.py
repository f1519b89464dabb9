from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from assistant.config import AssistantConfig, ModelConfig
from assistant.errors import ConfigError, ModelUnreachableError
from assistant.models.auto import choose, complete_for, found, open_model, open_policy
from assistant.models.door import ModelIdentity
from tests.fakes.asking import answer
from tests.fakes.scripted_model import ScriptedModel
from tests.fakes.scripted_server import ScriptedServer

NOTHING: dict[int, str] = {}


def config(home: Path, discover: bool = True, **policy: Any) -> AssistantConfig:
    return AssistantConfig(home=home, discover=discover, policy=ModelConfig(**policy))


async def opened(config: AssistantConfig, **more: Any) -> ModelIdentity:
    model = await open_policy(config, **{"ports": NOTHING, "environ": {}, **more})
    await model.aclose()
    return model.identity


async def test_with_nothing_here_the_builtin_responder_answers(tmp_path: Path) -> None:
    assert (await opened(config(tmp_path))).engine == "builtin"


async def test_a_configured_server_comes_before_everything_noticed(tmp_path: Path) -> None:
    async with ScriptedServer(models=("a",)) as configured, ScriptedServer(models=("b",)) as noticed:
        identity = await opened(config(tmp_path, base_url=configured.base_url), ports={noticed.port: "vLLM"})
        assert identity.details["base_url"] == configured.base_url
        assert noticed.requests == []


async def test_a_configured_server_that_is_down_is_opened_all_the_same(tmp_path: Path) -> None:
    async with ScriptedServer() as server:
        await server.refuse()
        model = await open_policy(config(tmp_path, base_url=server.base_url), ports=NOTHING)
        with pytest.raises(ModelUnreachableError, match=r"start it, or set policy\.base_url"):
            await model.check()
        await server.listen()
        await model.check()
        assert await answer(model) == "I hear you."
        await model.aclose()


async def test_a_configured_directory_answers_in_this_program(tmp_path: Path) -> None:
    async with ScriptedServer() as noticed:
        identity = await opened(config(tmp_path, model=str(tmp_path)), ports={noticed.port: "vLLM"})
    assert (identity.engine, identity.model, identity.leaves_machine) == ("local", str(tmp_path), False)


async def test_a_model_configured_by_name_alone_is_found_on_a_server_of_this_machine(tmp_path: Path) -> None:
    async with ScriptedServer(models=("other", "llama3.2:latest")) as server:
        ports = {server.port: "Ollama"}
        assert (await opened(config(tmp_path, model="llama3.2"), ports=ports)).engine == "openai_compatible"
        assert (await opened(config(tmp_path, model="nobody/never"), ports=ports)).engine == "local"


async def test_a_server_on_this_machine_is_used_and_named(tmp_path: Path) -> None:
    async with ScriptedServer(models=("nomic-embed-text", "llama3.2:3b", "second")) as server:
        identity = await opened(config(tmp_path), ports={server.port: "Ollama"})
    assert (identity.engine, identity.model, identity.leaves_machine) == ("openai_compatible", "llama3.2:3b", False)
    assert "your words stay on this machine" in identity.description


async def test_discovery_can_be_turned_off(tmp_path: Path) -> None:
    async with ScriptedServer() as server:
        identity = await opened(config(tmp_path, discover=False), ports={server.port: "Ollama"})
        assert identity.engine == "builtin"
        assert server.requests == []


async def test_a_key_in_the_environment_is_used_only_after_a_yes(tmp_path: Path) -> None:
    environ = {"OPENAI_API_KEY": "sk-test"}
    assert (await opened(config(tmp_path), environ=environ)).engine == "builtin"
    choose(tmp_path, "openai")
    identity = await opened(config(tmp_path), environ=environ)
    assert identity.details["base_url"] == "https://api.openai.com/v1"
    assert identity.leaves_machine
    assert "sk-test" not in repr(identity)
    assert (await opened(config(tmp_path))).engine == "builtin"


async def test_the_choice_of_the_person_comes_before_what_is_noticed(tmp_path: Path) -> None:
    async with ScriptedServer(models=("first", "second")) as server:
        ports = {server.port: "Ollama"}
        choose(tmp_path, "ollama/second")
        assert (await opened(config(tmp_path), ports=ports)).model == "second"
        choose(tmp_path, "builtin")
        assert (await opened(config(tmp_path), ports=ports)).engine == "builtin"
        choose(tmp_path, "ollama/gone")
        assert (await opened(config(tmp_path), ports=ports)).model == "first"


async def test_a_damaged_choice_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "models.toml").write_text("use = 3")
    with pytest.raises(ConfigError):
        await opened(config(tmp_path))


async def test_an_engine_that_is_set_wins(tmp_path: Path) -> None:
    async with ScriptedServer() as server:
        more: dict[str, Any] = {"ports": {server.port: "vLLM"}}
        assert (await opened(config(tmp_path, engine="builtin", base_url=server.base_url), **more)).engine == "builtin"
        local = config(tmp_path, engine="local", model=str(tmp_path), base_url=server.base_url)
        assert (await opened(local, **more)).engine == "local"
        assert server.requests == []


@pytest.mark.parametrize(
    ("engine", "repair"),
    [
        ("openai_compatible", r"reflect\.base_url is missing"),
        ("local", r"reflect\.model is missing"),
        ("same", "reflect"),
    ],
)
async def test_an_engine_without_what_it_needs_is_refused_with_the_key(engine: Any, repair: str) -> None:
    with pytest.raises(ConfigError, match=repair):
        await open_model(ModelConfig(engine=engine), name="reflect")


async def test_the_list_names_everything_and_says_what_leaves_the_machine(tmp_path: Path) -> None:
    async with ScriptedServer(models=("llama3.2",)) as server:
        wanted = config(tmp_path, base_url="https://models.example/v1", api_key=SecretStr("configured-key"))
        listed = await found(wanted, ports={server.port: "Ollama"}, environ={"OPENAI_API_KEY": "sk-test"})
    names = [candidate.name for candidate in listed if not candidate.name.startswith("local/")]
    assert names == ["configured", "ollama/llama3.2", "openai", "builtin"]
    by_name = {candidate.name: candidate for candidate in listed}
    assert {name for name in names if by_name[name].leaves_machine} == {"configured", "openai"}
    assert by_name["ollama/llama3.2"].config.api_key is None
    assert "sk-test" not in repr(listed) and "configured-key" not in repr(listed)


async def test_reflection_asks_the_model_and_gets_none_from_the_builtin_responder(tmp_path: Path) -> None:
    model = ScriptedModel(completions=['{"facts": []}'])
    complete = complete_for(model)
    assert complete is not None
    assert await complete([{"role": "user", "content": "hi"}], {"type": "object"}) == '{"facts": []}'
    assert model.completions[0].schema == {"type": "object"}
    assert model.completions[0].sampling.temperature == 0
    assert complete_for(await open_policy(config(tmp_path, engine="builtin"))) is None
