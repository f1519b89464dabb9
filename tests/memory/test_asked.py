"""Asking what is remembered is told apart from asking about something."""

from __future__ import annotations

import pytest

from memory.asked import asks_what_is_remembered


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
