"""Replies that are nothing but paragraphs, drawn as one piece of text."""

from __future__ import annotations

import pytest

from tests.fakes.driven_app import DrivenApp
from tests.fakes.scripted_backend import ScriptedBackend
from tui.widgets.prose import prose

PARAGRAPHS = (
    "Plain, *slanted*, **strong**, ~~gone~~, `x < y`, [a link](https://example.org).\n"
    "A soft break.  \nA hard one 🎉\n\n"
    "Second <b>paragraph</b> &amp; 新しい仕事, which is long enough that it has to be wrapped somewhere on the screen."
)


@pytest.mark.parametrize(
    "text",
    [
        "- a list",
        "1. a list",
        "# heading",
        "```\ncode\n```",
        "    code",
        "> said",
        "a | b\n-|-\n1 | 2",
        "![](x)",
        "---",
    ],
)
def test_what_is_not_a_paragraph_is_no_prose(text: str) -> None:
    assert prose(f"Before.\n\n{text}\n\nAfter.") is None


def test_paragraphs_keep_their_words_and_lose_their_marks() -> None:
    found = prose(PARAGRAPHS)
    assert found is not None
    first, second = found.plain.split("\n\n")
    assert first == "Plain, slanted, strong, gone, x < y, a link. A soft break.\nA hard one 🎉"
    assert second.startswith("Second <b>paragraph</b> & 新しい仕事,")


async def test_prose_looks_as_it_does_beside_a_list(backend: ScriptedBackend, chat: DrivenApp) -> None:
    def drawn() -> list[str]:
        lines = [line.rstrip() for line in chat.picture.splitlines()]
        begun = max(number for number, line in enumerate(lines) if line.endswith("Attune") and "◆" not in line)
        return lines[begun : begun + 7]

    backend.say(PARAGRAPHS)
    backend.say(PARAGRAPHS + "\n\n- one")
    await chat.say("one")
    alone = drawn()
    assert not chat.replies[0].children
    await chat.say("two")
    assert chat.replies[1].children
    assert drawn()[:6] == alone[:6]
