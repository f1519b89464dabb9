"""Our engine against the real vLLM: streaming, aborting, refusals, prefix caching."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import aclosing

import pytest

from assistant.config import ModelConfig
from assistant.errors import ModelRefusedError, ModelUnreachableError
from assistant.models.door import ChatMessage, Finished, Prompt, Sampling, TextDelta
from assistant.models.openai_compatible import OpenAICompatible
from training.vllm_server import VllmServer, free_port

pytestmark = [pytest.mark.vllm, pytest.mark.timeout(600)]

ENDLESS = Sampling(temperature=0, max_tokens=12000)
"""This tiny model never ends its turn; this would take it most of a minute."""
GREETING = Prompt(({"role": "system", "content": "Be kind."}, {"role": "user", "content": "I feel at home here."}))


async def answer(model: OpenAICompatible, prompt: Prompt, sampling: Sampling) -> tuple[str, Finished]:
    *deltas, end = [part async for part in model.stream(prompt, sampling)]
    assert isinstance(end, Finished)
    assert all(isinstance(delta, TextDelta) for delta in deltas)
    return "".join(delta.text for delta in deltas if isinstance(delta, TextDelta)), end


async def until(is_so: Callable[[], bool], within_s: float = 60.0) -> None:
    async with asyncio.timeout(within_s):
        while not is_so():  # noqa: ASYNC110  (another process's metrics can only be polled)
            await asyncio.sleep(0.05)


async def test_a_reply_streams_in_pieces_and_ends_with_the_token_counts(model: OpenAICompatible) -> None:
    parts = [part async for part in model.stream(GREETING, Sampling(max_tokens=40, seed=1))]
    deltas, end = parts[:-1], parts[-1]
    assert len(deltas) > 5
    assert isinstance(end, Finished)
    assert end.reason in ("stop", "length")
    assert end.prompt_tokens is not None and end.prompt_tokens > 20
    assert end.completion_tokens is not None and 5 < end.completion_tokens <= 40


async def test_the_same_seed_gives_the_same_reply(model: OpenAICompatible) -> None:
    first, _ = await answer(model, GREETING, Sampling(max_tokens=30, seed=7))
    second, _ = await answer(model, GREETING, Sampling(max_tokens=30, seed=7))
    other, _ = await answer(model, GREETING, Sampling(max_tokens=30, seed=8))
    assert first == second != other


async def test_more_streams_than_the_server_runs_at_once_all_finish(model: OpenAICompatible) -> None:
    replies = await asyncio.gather(*(answer(model, GREETING, Sampling(max_tokens=24, seed=seed)) for seed in range(12)))
    assert all(text for text, _ in replies)


async def test_closing_a_stream_aborts_the_work_in_vllm(
    model: OpenAICompatible, metric: Callable[[str], float]
) -> None:
    finished, generated = metric("request_success_total"), metric("generation_tokens_total")
    async with aclosing(model.stream(GREETING, ENDLESS)) as stream:
        await anext(stream)
    await until(lambda: metric("num_requests_running") == 0)
    assert metric("request_success_total") == finished, "vLLM came to an end by itself"
    assert 0 < metric("generation_tokens_total") - generated < ENDLESS.max_tokens


async def test_cancelling_the_reader_aborts_the_work_in_vllm(
    model: OpenAICompatible, metric: Callable[[str], float]
) -> None:
    finished, begun = metric("request_success_total"), asyncio.Event()

    async def read() -> None:
        async for _ in model.stream(GREETING, ENDLESS):
            begun.set()

    task = asyncio.create_task(read())
    await begun.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await until(lambda: metric("num_requests_running") == 0)
    assert metric("request_success_total") == finished, "vLLM came to an end by itself"


async def test_check_passes_when_the_model_is_served(model: OpenAICompatible) -> None:
    await model.check()


async def test_a_wrong_model_name_is_refused_with_the_names_on_offer(config: ModelConfig) -> None:
    wrong = OpenAICompatible(config.model_copy(update={"model": "no-such-model"}))
    with pytest.raises(ModelRefusedError, match="tiny"):
        await wrong.check()
    with pytest.raises(ModelRefusedError, match=r"'no-such-model'.*tiny"):
        await answer(wrong, GREETING, Sampling(max_tokens=4))
    await wrong.aclose()


async def test_without_a_configured_name_the_served_model_is_taken(config: ModelConfig) -> None:
    unnamed = OpenAICompatible(config.model_copy(update={"model": None}))
    await answer(unnamed, GREETING, Sampling(max_tokens=4))
    assert unnamed.identity.model == "tiny"
    await unnamed.aclose()


async def test_a_prompt_longer_than_the_context_is_refused_with_the_repair(
    model: OpenAICompatible, server: VllmServer
) -> None:
    long: ChatMessage = {"role": "user", "content": "0 1 2 3 " * server.context_tokens}
    with pytest.raises(ModelRefusedError, match=r"context.*lower policy\.context_tokens"):
        await answer(model, Prompt((long,)), Sampling(max_tokens=4))


async def test_a_reply_longer_than_the_context_is_refused_with_the_repair(
    model: OpenAICompatible, server: VllmServer
) -> None:
    with pytest.raises(ModelRefusedError, match=r"context.*lower policy\.context_tokens"):
        await answer(model, GREETING, Sampling(max_tokens=server.context_tokens + 1))


async def test_nothing_at_the_address_is_unreachable(config: ModelConfig) -> None:
    gone = OpenAICompatible(config.model_copy(update={"base_url": f"http://127.0.0.1:{free_port()}/v1", "retries": 0}))
    with pytest.raises(ModelUnreachableError, match="start it"):
        await answer(gone, GREETING, Sampling(max_tokens=4))
    await gone.aclose()


async def test_a_salted_prefix_is_reused_for_the_same_person_and_never_for_another(
    model: OpenAICompatible, metric: Callable[[str], float]
) -> None:
    words = " ".join(f"note {number}" for number in range(200))

    async def reused(salt: str) -> float:
        before = metric("prefix_cache_hits_total")
        await answer(model, Prompt(({"role": "user", "content": words},), cache_salt=salt), Sampling(max_tokens=8))
        return metric("prefix_cache_hits_total") - before

    assert [await reused("person a") > 0, await reused("person a") > 0, await reused("person b") > 0] == [
        False,
        True,
        False,
    ]
