"""Counts of a reply's outer form, logged beside its reward so that a reward hack shows before it is read."""

from __future__ import annotations

import re

_BULLET = re.compile(r"^\s*(?:[-*•‣–]|\d{1,2}[.)])\s+\S", re.MULTILINE)
_HEADING = re.compile(r"^\s*(?:#{1,6}\s+\S|\*\*[^*\n]+\*\*:?\s*$)", re.MULTILINE)
_QUESTION = re.compile(r"[?？؟]+")
_FLATTERY = re.compile(
    r"\b(?:great|excellent|wonderful|amazing|brilliant|fantastic) (?:question|point|insight|message|thought)"
    r"|\byou(?:'|’)?re (?:so |truly |really |absolutely )?(?:amazing|incredible|brilliant|wonderful|special)"
    r"|\b(?:so|truly|incredibly) (?:brave|strong|inspiring) of you|\bi(?:'|’)?m so proud of you"
    r"|(?:你|您)(?:真|太|好)(?:棒|厉害|优秀|了不起)",
    re.IGNORECASE,
)
STYLES = ("characters", "words", "bullets", "headings", "questions", "flattery")


def style(reply: str) -> dict[str, float]:
    """Return each count of `STYLES`."""
    counts = {
        "characters": len(reply),
        "words": len(reply.split()),
        "bullets": len(_BULLET.findall(reply)),
        "headings": len(_HEADING.findall(reply)),
        "questions": len(_QUESTION.findall(reply)),
        "flattery": len(_FLATTERY.findall(reply)),
    }
    return {name: float(counts[name]) for name in STYLES}
