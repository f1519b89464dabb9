from __future__ import annotations

import pytest

from training.example import CriteriaSet, Criterion
from training.peregrm.rules import fault, rewards_recall

MEMORIES = ("Works night shifts on a cardiac ward in Porto.",)


@pytest.mark.parametrize(
    "text",
    [
        "Mentions that she works at night",
        "The reply refers to her quarrel with Ana",
        "Explicitly names the cardiac ward",
        "It demonstrates memory of earlier talks",
        "Is warm and recalls her job",
        "Respects that she works night shifts on a cardiac ward",
        "回复提到她的工作",
    ],
)
def test_a_criterion_that_a_memory_said_back_would_meet_is_found(text: str) -> None:
    assert rewards_recall(text, MEMORIES)


@pytest.mark.parametrize(
    "text",
    [
        "Keeps suggestions few, for someone who is worn out and dislikes being pushed",
        "Does not mention the quarrel",
        "Shapes its pace to her tiredness without listing what is known",
        "Leaves the decision with her",
        "不要提及争吵",
    ],
)
def test_a_criterion_about_what_knowledge_changes_passes(text: str) -> None:
    assert not rewards_recall(text, MEMORIES)


def test_weights_sum_to_a_hundred_and_nothing_is_said_twice() -> None:
    def ruler(*pairs: tuple[str, float]) -> CriteriaSet:
        return CriteriaSet(tuple(Criterion(*pair) for pair in pairs), "w")

    assert fault(ruler(("Is slow", 60), ("Leaves room", 40)), MEMORIES) == ""
    assert "sum to 90" in fault(ruler(("Is slow", 50), ("Leaves room", 40)), MEMORIES)
    assert "twice" in fault(ruler(("Is slow", 60), ("is  slow", 40)), MEMORIES)
    assert "bringing up" in fault(ruler(("Is slow", 60), ("Mentions Ana", 40)), MEMORIES)
