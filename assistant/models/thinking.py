"""Hides thinking sections from a reply that arrives in pieces.

Guarantees the same visible text however the reply is cut into pieces, and never shows a piece of a tag before it is
certain that it is none. A section that is never closed shows nothing. Leading blanks of the visible text are dropped,
because templates put empty lines after a section. It does not guess that a reply *starts* inside a section: templates
that open the section in the prompt are known to the caller.
"""

from __future__ import annotations

_OPEN = "<think>"
_CLOSE = "</think>"


def overlap(text: str, tag: str) -> int:
    """Return how many characters at the end of `text` may be the beginning of `tag`."""
    for size in range(min(len(text), len(tag) - 1), 0, -1):
        if text.endswith(tag[:size]):
            return size
    return 0


class ThinkingFilter:
    """Takes the pieces of one reply and gives back what may be shown."""

    def __init__(self, *, inside: bool = False) -> None:
        self._inside = inside
        self._held = ""
        self._shown = False

    def feed(self, piece: str) -> str:
        """Return the visible text that this piece completes."""
        text = self._held + piece
        visible = ""
        while True:
            at, tag = self._next_tag(text)
            if tag is None:
                break
            visible += "" if self._inside else text[:at]
            text = text[at + len(tag) :]
            self._inside = tag == _OPEN
        kept = max(overlap(text, tag) for tag in (_OPEN, _CLOSE))
        self._held = text[len(text) - kept :]
        visible += "" if self._inside else text[: len(text) - kept]
        return self._from_first_word(visible)

    def finish(self) -> str:
        """Return what was held back, once no more pieces come."""
        rest, self._held = self._held, ""
        return "" if self._inside else self._from_first_word(rest)

    def _next_tag(self, text: str) -> tuple[int, str | None]:
        found = [(text.find(tag), tag) for tag in ((_CLOSE,) if self._inside else (_OPEN, _CLOSE))]
        return min(((at, tag) for at, tag in found if at >= 0), default=(-1, None))

    def _from_first_word(self, visible: str) -> str:
        if not self._shown:
            visible = visible.lstrip()
            self._shown = bool(visible)
        return visible


def visible(text: str, *, inside: bool = False) -> str:
    """Return the visible part of a whole reply."""
    filter = ThinkingFilter(inside=inside)
    return filter.feed(text) + filter.finish()


def after_thinking(text: str, *, inside: bool = False) -> str:
    """Return a whole answer without the thinking before it; for data, in which a tag may be a quotation."""
    rest = text.lstrip()
    while inside or rest.startswith(_OPEN):
        _, closed, rest = rest.partition(_CLOSE)
        if not closed:
            return ""
        inside, rest = False, rest.lstrip()
    return rest
