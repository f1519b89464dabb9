"""Cuts a message into sentences with their places, in linear time, for any script.

A sentence is a slice of the message: `text[start:end]`. Lines that a mail program wrapped are joined; abbreviations and
initials do not end a sentence.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

_END = re.compile(
    r"""(?<![.!?…])[.!?…]++["'”’»)\]]*(?=\s|$)|[。！？｡]+["”’」』）)]*|\n+|;(?=\s)|\s[-–—]{1,2}\s(?=I\b)"""
)
_ABBREVIATION = re.compile(
    r"(?:^|[\s(])(?:mr|mrs|ms|dr|prof|st|jr|sr|vs|approx|dept|e\.g|i\.e|u\.s|u\.k|a\.m|p\.m|ph\.d|b\.a|m\.a|"
    r"sra|dra|mme|mlle|bzw|ca|z\.\s?b|d\.\s?h|usw|nr|[a-hj-z])\.$",
    re.IGNORECASE,
)
_WRAPPED_LINE = 40
"""A line shorter than this was ended by its writer, not by a mail program, unless it began a sentence."""


@dataclass(frozen=True, slots=True)
class Sentence:
    """One sentence and where it stands in its message."""

    start: int
    end: int
    text: str
    """On one line; the words of the slice `start:end`."""


def sentences(text: str) -> Iterator[Sentence]:
    """Cut `text` into sentences; blank ones are left out."""
    start = 0
    for end in _END.finditer(text):
        if end[0].startswith("\n"):
            if _is_wrap(text, start, end):
                continue
        elif end[0].startswith(".") and _ABBREVIATION.search(text[max(start, end.end() - 12) : end.end()]):
            continue
        if sentence := _sentence(text, start, end.end()):
            yield sentence
        start = end.end()
    if sentence := _sentence(text, start, len(text)):
        yield sentence


def _is_wrap(text: str, start: int, line_end: re.Match[str]) -> bool:
    if line_end[0] != "\n" or line_end.end() >= len(text):
        return False
    line = max(start, text.rfind("\n", max(start, line_end.start() - 500), line_end.start()) + 1)
    wrapped = line_end.start() - line >= _WRAPPED_LINE or text[line : line_end.start()].lstrip()[:1].isupper()
    return wrapped and text[line_end.end()].islower()


def _sentence(text: str, start: int, end: int) -> Sentence | None:
    while start < end and (text[start].isspace() or text[start] in "-–—•*"):
        start += 1
    while end > start and text[end - 1].isspace():
        end -= 1
    if start == end:
        return None
    return Sentence(start, end, " ".join(text[start:end].split()))
