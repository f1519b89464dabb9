"""Made-up AlpsBench sessions, as many as wanted; no two say the same."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

_LABELS = ("Social_Relationships/Family", "States_Experiences/Mental_State", "Preferences/Food", "UNMAPPED")
_SYLLABLES = ("ka", "lo", "mi", "ne", "ru", "sa", "ti", "vo", "be", "dra", "fe", "go", "hu", "jo", "pli", "que")


def prose(seed: object, words: int) -> str:
    """Return words of no language, in another order for every seed; like people's, they come back in other texts."""
    draw = random.Random(str(seed))
    return " ".join("".join(draw.choices(_SYLLABLES, k=2)) for _ in range(words))


def session(number: int) -> dict[str, Any]:
    """Return one session with four messages and four memories, of which every third session has a rejected one."""
    said = [f"I keep talking about my sister. {prose((number, place), 12)}" for place in range(4)]
    replies = [f"That sounds hard. {prose((number, place, 'reply'), 8)}" for place in range(4)]
    turns: list[dict[str, str]] = []
    for text, reply in zip(said, replies, strict=True):
        turns += [{"role": "user", "text": text}, {"role": "assistant", "text": reply}]
    memories = [_memory(number, place, said[place]) for place in range(4)]
    if number % 3 == 0:
        memories[1]["value"] += " [ERROR: Not about the user]"
    return {
        "session_id": f"made_up_{number}",
        "dialogue": turns,
        "memories": memories,
    }


def write_sessions(path: Path, count: int) -> Path:
    """Write so many sessions, one a line."""
    with path.open("w", encoding="utf-8") as file:
        file.writelines(line + "\n" for line in lines(count))
    return path


def lines(count: int) -> Iterator[str]:
    """Yield so many sessions as JSON."""
    for number in range(count):
        yield json.dumps(session(number))


def _memory(number: int, place: int, said: str) -> dict[str, Any]:
    return {
        "memory_id": f"m{place + 1}",
        "label": _LABELS[place],
        "label_suggestion": "emotion/worry" if _LABELS[place] == "UNMAPPED" else None,
        "value": f"Has a sister who {prose((number, place, 'memory'), 6)}",
        "evidence": {"utterance_index": 2 * place, "text": said},
        "confidence": 0.9,
    }
