from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from memory.types import Kind
from training.personaemp.drops import DroppedError
from training.personaemp.pipeline import STAGES
from training.personaemp.record import Record, RecordMemory, Turn
from training.personaemp.select import check_memories, filters
from training.personaemp.situations import ground
from training.personaemp.stage import MEMORY_CHARS, TURN_CHARS, TURNS, dialogue, numbered

MEMORIES = (
    RecordMemory("a", "Has a sister", "Social_Relationships/Family"),
    RecordMemory("b", "Is a dragon [ERROR: fiction]", "Social_Relationships/Family", error=True),
    RecordMemory("c", "Lives in Porto", until=datetime(2026, 1, 1, tzinfo=UTC)),
)


def record(*memories: RecordMemory) -> Record:
    return Record("p", "alpsbench", "x:1", (Turn("t0", "c", "user", "hello"),), memories)


def moment(*numbers: int, text: str = "They sit at home.") -> dict[str, Any]:
    return {"category": "emotional_support", "situation": text, "memories": list(numbers)}


def test_every_prompt_is_filled_by_what_its_stage_gives_and_has_a_hash_of_its_own() -> None:
    assert len({stage.prompt_hash for stage in STAGES}) == len(STAGES)


@pytest.mark.parametrize(
    ("written", "reason"),
    [
        (moment(), "ungrounded"),
        (moment(0), "no_such_memory"),
        (moment(1, 4), "no_such_memory"),
        (moment(2), "error_memory"),
        (moment(3), "outdated_memory"),
        (moment(1, text="They are a dragon [ERROR: fiction]."), "error_memory"),
    ],
)
def test_a_moment_without_ground_is_left_out_for_its_reason(written: dict[str, Any], reason: str) -> None:
    with pytest.raises(DroppedError) as dropped:
        ground(record(*MEMORIES), written)
    assert dropped.value.reason == reason


def test_a_grounded_moment_keeps_its_memories() -> None:
    assert ground(record(*MEMORIES), moment(1, 1)).memories == (MEMORIES[0],)


def test_rejected_memories_are_neither_shown_nor_renumbered() -> None:
    shown = numbered(MEMORIES, record(*MEMORIES).known())
    assert [json.loads(line)["number"] for line in shown.splitlines()] == [1]


@given(st.lists(st.text(max_size=4000), max_size=30))
def test_what_people_said_stays_one_line_of_data_each_within_its_room(texts: list[str]) -> None:
    turns = [Turn(str(place), "c", "user", text) for place, text in enumerate(texts)]
    lines = dialogue(turns).split("\n")
    said = [json.loads(line)["text"] for line in lines] if texts else []
    assert len(said) <= TURNS
    assert sum(map(len, said)) <= TURN_CHARS
    memories = [RecordMemory(str(place), text) for place, text in enumerate(texts)]
    assert len(numbered(memories, memories)) <= MEMORY_CHARS + len(memories)


@pytest.mark.parametrize(
    ("memory", "taken"),
    [
        (RecordMemory("a", "x", "Social_Relationships/Family"), True),
        (RecordMemory("a", "x", "Personal_Background/Past_Experience"), True),
        (RecordMemory("a", "x", "Personal_Background/Location"), False),
        (RecordMemory("a", "x", "UNMAPPED", "emotion/grief"), True),
        (RecordMemory("a", "x", "UNMAPPED", "hardware/printer"), False),
        (RecordMemory("a", "x", "relationship"), True),
        (RecordMemory("a", "x", "preference"), False),
        (RecordMemory("a", "x [ERROR: no]", "relationship", error=True), False),
    ],
)
def test_records_are_taken_by_what_is_remembered(memory: RecordMemory, taken: bool) -> None:
    assert filters().by_memory(memory) == taken
    if not taken:
        with pytest.raises(DroppedError):
            check_memories(record(memory))


def test_kinds_that_are_taken_are_kinds_of_the_ledger() -> None:
    assert set(filters().kinds) <= {kind.value for kind in Kind}


@pytest.mark.parametrize(("intents", "taken"), [(("career advice / job change",), True), (("Coding",), False)])
def test_records_are_taken_by_intent_as_a_part_of_its_name(intents: tuple[str, ...], taken: bool) -> None:
    assert filters().by_intents(intents) == taken
