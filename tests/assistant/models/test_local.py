"""The in-process engine with a real, tiny, random model."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import threading
from collections.abc import AsyncIterator
from contextlib import aclosing
from pathlib import Path

import pytest

from assistant.config import ModelConfig
from assistant.errors import ConfigError, ModelGarbledError, ModelRefusedError, ModelUnreachableError
from assistant.models.door import ChatMessage, Finished, Sampling, TextDelta
from assistant.models.local import Local
from tests.fakes.asking import SECRET, answer, parts, prompt
from tests.fakes.tiny_model import make_tiny_model

HI: list[ChatMessage] = [{"role": "user", "content": "hi"}]


@pytest.fixture
async def model(tiny_model: Path) -> AsyncIterator[Local]:
    opened = Local(ModelConfig(model=str(tiny_model)))
    yield opened
    await opened.aclose()


async def test_a_reply_comes_in_pieces_with_its_counts(model: Local) -> None:
    pieces = [piece async for piece in model.stream(prompt(), Sampling(max_tokens=20, seed=1, temperature=1.0))]
    end = pieces.pop()
    assert isinstance(end, Finished)
    assert (end.reason, end.completion_tokens) == ("length", 20)
    assert end.prompt_tokens and end.prompt_tokens > 10
    assert len(pieces) > 5 and all(isinstance(piece, TextDelta) and piece.text for piece in pieces)


async def test_the_same_seed_gives_the_same_reply_and_another_seed_another(model: Local) -> None:
    def drawn(seed: int) -> Sampling:
        return Sampling(max_tokens=30, seed=seed, temperature=1.0)

    first, again, other = [await model.complete(HI, drawn(seed)) for seed in (1, 1, 2)]
    assert first == again != other


async def test_temperature_zero_needs_no_seed(model: Local) -> None:
    greedy = Sampling(max_tokens=30, temperature=0.0)
    assert await model.complete(HI, greedy) == await model.complete(HI, greedy)


async def test_replies_queue_up_in_the_order_they_were_asked_for(model: Local) -> None:
    order: list[int] = []

    async def ask(n: int) -> None:
        await model.complete(HI, Sampling(max_tokens=8, seed=n, temperature=1.0))
        order.append(n)

    await asyncio.gather(*(ask(n) for n in range(8)))
    assert order == list(range(8))


async def test_closing_a_stream_stops_it_and_the_next_reply_can_begin(model: Local) -> None:
    async with aclosing(model.stream(prompt(), Sampling(max_tokens=400, seed=1, temperature=1.0))) as stream:
        await anext(stream)
    assert await answer(model, max_tokens=8, seed=1, temperature=1.0)


async def test_cancelling_a_waiting_reply_leaves_the_running_one_alone(model: Local) -> None:
    first = asyncio.create_task(model.complete(HI, Sampling(max_tokens=200, seed=1, temperature=1.0)))
    waiting = asyncio.create_task(model.complete(HI, Sampling(max_tokens=200, seed=2, temperature=1.0)))
    await asyncio.sleep(0)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    assert await first


async def test_generation_ends_at_the_next_token_once_it_is_stopped(tiny_model: Path) -> None:
    from assistant.models.generation import Engine

    engine = Engine.load(tiny_model, "tiny")
    stopped = threading.Event()
    seen: list[str] = []

    def stop_at_once(text: str) -> None:
        seen.append(text)
        stopped.set()

    end = engine.generate(
        HI, Sampling(max_tokens=300, seed=1, temperature=1.0), thinking=False, emit=stop_at_once, stopped=stopped
    )
    assert len(seen) <= 2 and (end.completion_tokens or 0) < 10


async def test_a_stop_string_ends_the_reply_before_it(model: Local) -> None:
    drawn = Sampling(max_tokens=60, seed=1, temperature=1.0)
    text = await model.complete(HI, drawn)
    stop = text[10:13]
    pieces = [
        piece
        async for piece in model.stream(prompt("hi"), Sampling(max_tokens=60, seed=1, temperature=1.0, stop=(stop,)))
    ]
    end = pieces.pop()
    assert "".join(piece.text for piece in pieces if isinstance(piece, TextDelta)) == text[: text.index(stop)]
    assert isinstance(end, Finished) and end.reason == "stop" and (end.completion_tokens or 0) < 60


async def test_a_prompt_that_does_not_fit_is_refused_without_repeating_it(model: Local) -> None:
    with pytest.raises(ModelRefusedError, match=r"tokens and .* takes 512; lower context_tokens") as caught:
        await model.complete([{"role": "user", "content": SECRET * 500}], Sampling())
    assert SECRET not in str(caught.value)


async def test_a_reply_is_cut_to_what_the_context_has_room_for(model: Local) -> None:
    _, end = await parts(model)
    assert (end.prompt_tokens or 0) + (end.completion_tokens or 0) <= 512


async def test_a_model_whose_template_opens_the_thinking_shows_nothing_of_it(tiny_model: Path) -> None:
    thinking = Local(ModelConfig(model=str(tiny_model), thinking=True))
    with pytest.raises(ModelGarbledError, match="without a visible word"):
        await thinking.complete(HI, Sampling(max_tokens=30, seed=1, temperature=1.0))
    await thinking.aclose()


async def test_a_tokenizer_without_a_template_gets_a_transcript(tmp_path: Path) -> None:
    plain = Local(ModelConfig(model=str(make_tiny_model(tmp_path, chat_template=None))))
    assert await plain.complete(HI, Sampling(max_tokens=20, seed=1, temperature=1.0))
    await plain.aclose()


async def test_an_answer_that_is_not_of_the_schema_is_an_error(model: Local) -> None:
    with pytest.raises(ModelGarbledError):
        await model.complete(HI, Sampling(max_tokens=10, seed=1, temperature=1.0), {"type": "object"})


async def test_check_loads_the_model_and_says_what_is_wrong(model: Local, tmp_path: Path) -> None:
    await model.check()
    (tmp_path / "config.json").write_text('{"model_type": "no-such-model"}')
    broken = Local(ModelConfig(model=str(tmp_path)))
    for _ in range(2):
        with pytest.raises(ModelRefusedError, match="no language model that Transformers can load"):
            await broken.check()
    await broken.aclose()


async def test_closing_ends_a_running_reply_and_refuses_new_ones(tiny_model: Path) -> None:
    model = Local(ModelConfig(model=str(tiny_model)))
    await model.check()
    asked = [asyncio.create_task(model.complete(HI, Sampling(max_tokens=400, seed=n, temperature=1.0))) for n in (1, 2)]
    await asyncio.sleep(0)
    await model.aclose()
    done = await asyncio.gather(*asked, return_exceptions=True)
    assert all(isinstance(result, (str, ModelUnreachableError, ModelGarbledError)) for result in done)
    with pytest.raises(ModelUnreachableError, match="is closed"):
        await model.complete(HI, Sampling())


def test_without_a_model_it_names_the_key() -> None:
    with pytest.raises(ConfigError, match=r"policy\.model is missing"):
        Local(ModelConfig(engine="local"))


def test_the_identity_says_that_nothing_leaves_this_machine() -> None:
    identity = Local(ModelConfig(model="some/chat")).identity
    assert identity.policy_version == "local:some/chat"
    assert not identity.leaves_machine and "stay on this machine" in identity.description


def test_choosing_a_model_imports_no_heavy_library() -> None:
    program = (
        "import sys, assistant.models.auto; print({'torch', 'transformers', 'huggingface_hub'} & set(sys.modules))"
    )
    told = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert told.stdout.strip() == "set()"
