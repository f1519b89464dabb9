"""Choosing which model answers: what is offered, what is agreed to, what is noted, what is downloaded."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from pathlib import Path

import pytest

from assistant import wire
from assistant.choosing import DOWNLOAD, offers, pick, take
from assistant.config import AssistantConfig, ModelConfig
from assistant.errors import ConflictError, ModelNotFoundError, ModelUnreachableError
from assistant.models.auto import chosen
from assistant.models.starter import STARTER, Fetched


@pytest.fixture
def config(tmp_path: Path) -> AssistantConfig:
    return AssistantConfig(home=tmp_path, discover=False)


async def test_a_small_model_is_offered_with_its_size_and_nothing_leaves_the_machine(config: AssistantConfig) -> None:
    listed = await offers(config, "The builtin responder.")
    by_name = {one.name: one for one in listed.data}
    assert by_name[DOWNLOAD].download_bytes == STARTER.about_bytes
    assert not by_name[DOWNLOAD].leaves_machine
    assert "builtin" in by_name
    assert (listed.chosen, listed.configured, listed.answering) == (None, False, "The builtin responder.")


async def test_what_leaves_the_machine_has_to_be_agreed_to(
    config: AssistantConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-test")
    with pytest.raises(ConflictError, match=r"sent to api\.openai\.com"):
        await pick(config, wire.ModelChoice(name="openai"))
    assert (await pick(config, wire.ModelChoice(name="openai", agree=True))).leaves_machine


async def test_a_choice_is_noted_for_the_next_start(config: AssistantConfig, tmp_path: Path) -> None:
    offer = await pick(config, wire.ModelChoice(name="builtin"))
    assert [step.type async for step in take(config, offer)] == ["chosen"]
    assert chosen(tmp_path) == "builtin"
    assert (await offers(config, "")).chosen == "builtin"


async def test_a_download_is_followed_and_the_model_noted(config: AssistantConfig, tmp_path: Path) -> None:
    async def fetch(model: str) -> AsyncGenerator[Fetched, None]:
        assert model == STARTER.model
        yield Fetched(5, 10)
        yield Fetched(10, 10)

    offer = await pick(config, wire.ModelChoice(name=DOWNLOAD))
    steps = [step async for step in take(config, offer, fetch)]
    assert [(step.type, step.done, step.total) for step in steps[:-1]] == [
        ("downloading", 5, 10),
        ("downloading", 10, 10),
    ]
    assert steps[-1].type == "chosen"
    assert chosen(tmp_path) == f"local/{STARTER.model}"


async def test_a_failed_download_changes_nothing_and_says_why(config: AssistantConfig, tmp_path: Path) -> None:
    async def fetch(model: str) -> AsyncGenerator[Fetched, None]:
        yield Fetched(5, 10)
        raise ModelUnreachableError("the hub cannot be reached")

    offer = await pick(config, wire.ModelChoice(name=DOWNLOAD))
    steps = [step async for step in take(config, offer, fetch)]
    assert (steps[-1].type, steps[-1].message) == ("error", "the hub cannot be reached")
    assert chosen(tmp_path) is None


async def test_nothing_can_be_chosen_that_is_not_there_or_where_the_configuration_says_it(
    config: AssistantConfig, tmp_path: Path
) -> None:
    with pytest.raises(ModelNotFoundError, match="no/such"):
        await pick(config, wire.ModelChoice(name="no/such"))
    fixed = AssistantConfig(home=tmp_path, discover=False, policy=ModelConfig(engine="builtin"))
    with pytest.raises(ConflictError, match="configuration names"):
        await pick(fixed, wire.ModelChoice(name="builtin"))
