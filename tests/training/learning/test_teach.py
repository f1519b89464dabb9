"""Teaching and speaking, with the real classes on a handful of lessons."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from training.learning.lessons import lessons
from training.learning.speak import speak
from training.learning.teach import BATCH, teach
from training.learning.world import load_world, populate, prompt

WORLD = load_world()
PEOPLE = populate(WORLD, 1)


@pytest.fixture(autouse=True)
def _threads() -> Iterator[None]:
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


def test_the_same_lessons_and_seed_teach_the_same_and_something(tmp_path: Path) -> None:
    taught = [{"messages": one.messages, "answer": one.answer} for one in lessons(WORLD, PEOPLE.train, BATCH, 1)]
    first = teach(tmp_path / "a", taught, 1)
    assert teach(tmp_path / "b", taught, 1) == pytest.approx(first, abs=1e-4)
    a, b = (load_file(tmp_path / name / "model.safetensors") for name in "ab")
    assert all(torch.allclose(a[name], b[name], atol=1e-4) for name in a)
    assert teach(tmp_path / "c", taught * 3, 1) < first


def test_every_prompt_gets_its_replies_and_the_same_seed_the_same(tmp_path: Path) -> None:
    teach(tmp_path / "model", [{"messages": prompt((), "I feel left out."), "answer": "So."}] * BATCH, 1)
    prompts = [[dict(message) for message in prompt(one.memories, "I failed.")] for one in PEOPLE.held_out[:3]]
    said = speak(tmp_path / "model", prompts, 2, 1)
    assert [len(replies) for replies in said] == [2, 2, 2]
    assert said == speak(tmp_path / "model", prompts, 2, 1)
    assert said != speak(tmp_path / "model", prompts, 2, 2)
