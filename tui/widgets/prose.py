"""A reply that is nothing but paragraphs, as one piece of text.

A finished reply of this kind is one widget; lists, tables, headings and code are left to Textual's `Markdown`, which
makes a widget of every part. Both look the same.
"""

from __future__ import annotations

import re
from functools import cache

from markdown_it import MarkdownIt
from markdown_it.token import Token
from textual.content import Content, Span
from textual.style import Style

_STYLES = {"em_open": "italic", "strong_open": "bold", "s_open": "strike"}
_CODE = "$accent"
_SPACES = re.compile(r"\s+")


@cache
def parser() -> MarkdownIt:
    """Markdown without HTML, so that `<tags>` in a reply are shown and not swallowed."""
    return MarkdownIt("gfm-like", {"html": False})


def prose(text: str) -> Content | None:
    """The paragraphs of a text with an empty line between them; None where it holds anything else."""
    paragraphs: list[Content] = []
    for token in parser().parse(text):
        if token.type not in ("paragraph_open", "inline", "paragraph_close") or token.level > 1:
            return None
        if token.type == "inline":
            paragraph = _inline(token.children or [])
            if paragraph is None:
                return None
            paragraphs.append(paragraph)
    return Content("\n\n").join(paragraphs)


def _inline(tokens: list[Token]) -> Content | None:
    pieces: list[str] = []
    spans: list[Span] = []
    opened: list[tuple[int, str | Style]] = []
    at = 0
    for token in tokens:
        piece = ""
        if token.type == "text":
            piece = _SPACES.sub(" ", token.content)
        elif token.type in ("softbreak", "hardbreak"):
            piece = " " if token.type == "softbreak" else "\n"
        elif token.type == "code_inline":
            piece = token.content
            spans.append(Span(at, at + len(piece), _CODE))
        elif token.type in _STYLES:
            opened.append((at, _STYLES[token.type]))
        elif token.type == "link_open":
            opened.append((at, Style.from_meta({"@click": f"link({str(token.attrs.get('href', ''))!r})"})))
        elif token.type.endswith("_close") and opened:
            begun, style = opened.pop()
            spans.append(Span(begun, at, style))
        else:
            return None
        pieces.append(piece)
        at += len(piece)
    return Content("".join(pieces), spans=spans)
