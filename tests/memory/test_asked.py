"""Asking what is remembered is told apart from asking about something."""

from __future__ import annotations

import pytest

from memory.asked import as_answered, asks_what_is_remembered


@pytest.mark.parametrize(
    "message",
    [
        "What do you know about me?",
        "What do you know of me?",
        "what do you remember about me",
        "Hey Attune, what do you already know about me?",
        "What do you remember?",
        "Tell me everything you know about me.",
        "Do you still remember me?",
        "What have I told you about myself?",
        "Was weißt du über mich?",
        "¿Qué sabes de mí?",
        "Qu'est-ce que tu sais de moi ?",
        "O que você sabe sobre mim?",
        "你知道关于我什么？",
        "私について何を知っていますか？",
    ],
)
def test_it_is_recognised(message: str) -> None:
    assert asks_what_is_remembered(message)


@pytest.mark.parametrize(
    "message",
    [
        "What do you know about volcanoes?",
        "Do you remember my dog?",
        "I don't know what people say about me.",
        "She told me what she remembers.",
        "My boss knows nothing about me.",
        "",
    ],
)
def test_other_messages_are_not(message: str) -> None:
    assert not asks_what_is_remembered(message)


@pytest.mark.parametrize(
    ("message", "answer"),
    [
        ("What is my job?", "I work as a"),
        ("what\u2019s my profession again?", "I work as a"),
        ("Do you remember where I live?", "I live in"),
        ("How old am I?", "I am years old"),
    ],
)
def test_a_question_for_a_role_is_looked_up_in_the_words_of_its_answer(message: str, answer: str) -> None:
    assert as_answered(message) == answer


@pytest.mark.parametrize(
    "message", ["What is my job worth?", "I hate my job.", "How old is the sun?", "", "Where do I live it up?"]
)
def test_other_messages_stay_as_they_are(message: str) -> None:
    assert as_answered(message) == message
