"""Ask a model something, and take its reply apart."""

from __future__ import annotations

from typing import Any

from assistant.models.door import Finished, Model, Prompt, Sampling, TextDelta

SECRET = "the-cat-is-called-Mirabelle"
"""What the person writes; it must never stand in an error or a log."""


def prompt(text: str = SECRET, **more: Any) -> Prompt:
    return Prompt(({"role": "user", "content": text},), **more)


async def answer(model: Model, **sampling: Any) -> str:
    """Return the whole visible reply."""
    return "".join([p.text async for p in model.stream(prompt(), Sampling(**sampling)) if isinstance(p, TextDelta)])


async def parts(model: Model, **more: Any) -> tuple[list[str], Finished]:
    """Return the deltas and the end of a reply."""
    pieces = [piece async for piece in model.stream(prompt(**more), Sampling())]
    end = pieces.pop()
    assert isinstance(end, Finished)
    return [piece.text for piece in pieces if isinstance(piece, TextDelta)], end
