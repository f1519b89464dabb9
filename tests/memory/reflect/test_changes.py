import time
import tomllib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from memory.reflect.changes import stated_changes

PAIRS: dict[str, list[tuple[str, str]]] = tomllib.loads(Path(__file__).with_name("changes.toml").read_text("utf-8"))


def ends(new: str, known: str) -> bool:
    return any(stated.ends(known) for stated in stated_changes(new))


@pytest.mark.parametrize(("new", "known"), PAIRS["ended"])
def test_a_changed_statement_ends_the_one_it_changes(new: str, known: str) -> None:
    assert ends(new, known)


@pytest.mark.parametrize(("new", "known"), PAIRS["stands"])
def test_what_is_unrelated_or_doubtful_stands(new: str, known: str) -> None:
    assert not ends(new, known)


@pytest.mark.parametrize(("new", "known"), [*PAIRS["ended"], *PAIRS["stands"]])
def test_no_statement_ends_itself(new: str, known: str) -> None:
    assert not ends(known, known)
    assert not ends(new, new)


OTHERS = [
    "My mother lives in Lisbon.",
    "My sister is a nurse",
    "His girlfriend is vegan",
    "My brother is single",
    "My son is 30 years old",
    "My neighbour has a dog",
    "I love the sea",
    "I am allergic to nuts",
]


@pytest.mark.parametrize("new", [new for new, _ in PAIRS["ended"]])
def test_a_change_ends_nothing_of_other_people_and_other_slots(new: str) -> None:
    subject = new.lower().split()[:2]
    assert [known for known in OTHERS if known.lower().split()[:2] != subject and ends(new, known)] == []


@given(st.text(max_size=300), st.text(max_size=300))
def test_any_text_may_be_asked_about(new: str, known: str) -> None:
    for stated in stated_changes(new):
        stated.ends(known)


def test_long_texts_cost_little_time() -> None:
    began = time.process_time()
    for text in ("I moved to " * 2_000, "my favourite " * 2_000 + "is now red", "a" * 20_000, "I am not " * 2_000):
        ends(text, text)
    assert time.process_time() - began < 3
