from __future__ import annotations

from contextlib import AsyncExitStack

import pytest

from assistant.models.discovery import USUAL_PORTS, notice
from tests.fakes import scripted_answers as say
from tests.fakes.scripted_server import ScriptedServer


async def test_servers_are_noticed_in_the_order_of_preference_with_the_models_that_talk_here() -> None:
    ollama_models = ("llama3.2:3b", "nomic-embed-text:latest", "gpt-oss:120b-cloud", "qwen3-coder:480b:cloud", "bge-m3")
    async with ScriptedServer(models=ollama_models) as ollama, ScriptedServer(models=("qwen",)) as vllm:
        servers = await notice({vllm.port: "vLLM", ollama.port: "LM Studio"})
    assert [(server.name, server.base_url, server.models) for server in servers] == [
        ("vllm", vllm.base_url, ("qwen",)),
        ("lm-studio", ollama.base_url, ("llama3.2:3b",)),
    ]
    assert not ollama.chats and not vllm.chats


@pytest.mark.parametrize("models", [(), ("all-minilm",), ("kimi-k2:1t-cloud",), ("attune",)])
async def test_a_server_with_nothing_to_talk_to_here_is_passed_over(models: tuple[str, ...]) -> None:
    async with ScriptedServer(models=models) as server:
        assert await notice({server.port: "Ollama"}) == []


@pytest.mark.parametrize(
    "answer",
    [
        say.not_json(),
        say.error(401),
        say.error(500),
        say.hang(),
        say.drop(),
        say.Raw(b"", 302, headers={"Location": "http://192.0.2.1/v1/models"}),
        say.Raw(b'{"data": "no"}'),
        say.Raw(b"[" * 2_000_000),
    ],
)
async def test_what_is_no_model_server_is_passed_over(answer: say.Scripted) -> None:
    async with ScriptedServer() as server:
        server.on_models = answer
        assert await notice({server.port: "vLLM"}) == []


async def test_servers_that_say_nothing_are_given_up() -> None:
    async with AsyncExitStack() as stack:
        silent = [await stack.enter_async_context(ScriptedServer()) for _ in range(5)]
        for server in silent:
            server.on_models = say.hang()
        assert await notice({server.port: "vLLM" for server in silent}) == []
        for server in silent:
            await server.requests[0].disconnected.wait()


def test_the_usual_ports_are_the_documented_ones() -> None:
    assert dict(USUAL_PORTS) == {8000: "vLLM", 11434: "Ollama", 1234: "LM Studio"}
