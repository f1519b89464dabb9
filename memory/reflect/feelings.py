"""The momentary feeling a person names, by a small lexicon; kept apart from traits."""

from __future__ import annotations

import re
from functools import cache

from memory.reflect.patterns import any_of, read

_SPEAKER = any_of(
    [
        r"\bi(?:'m| am|m)(?: feeling)?",
        r"\bi feel",
        r"\bi(?:'ve| have) been(?: feeling)?",
        r"^feeling",
        *("me siento", "estoy", "ich bin", "ich fühle mich", "je suis", "je me sens", "me sinto", "estou"),
        *("我觉得", "我感到", "我感觉", "我", "私は"),
    ]
)
_DEGREE = any_of(
    [
        "so very really pretty quite just too extremely incredibly totally completely absolutely utterly still".replace(
            " ", "|"
        ),
        *("always", "such", "super", "also", "and", "a bit", "a little", "kind of", "kinda"),
        *("muy", "tan", "un poco", "sehr", "ziemlich", "très", "si", "trop", "muito", "tão"),
        *("很", "好", "太", "非常", "有点", "とても"),
    ]
)
_POLITE = r"(?!(?<=happy) to )(?!(?<=glad) )(?!(?<=down) (?:to|for|with) )"
_ABOUT_THE_ANSWER = (
    r"(?! (?:with|of|about|for|by) (?:it|this|that|these|those|your|the (?:answer|result|help|response|story))\b)"
)


def is_of_feeling(word: str) -> bool:
    """Whether a word in lower case says no more than that, or what, somebody feels."""
    words = _words()
    return word in words or any(character in words for character in word)


@cache
def _words() -> frozenset[str]:
    names = (word for names in read("feelings").values() for name in names for word in name.split())
    return frozenset((*names, "feel", "feeling", "siento", "sinto", "sento", "fühle", "sens", "totally", "completely"))


@cache
def _lexicon() -> tuple[re.Pattern[str], dict[str, str]]:
    feeling_of = {word: feeling for feeling, words in read("feelings").items() for word in words}
    named = any_of(sorted(map(re.escape, feeling_of), key=len, reverse=True))[3:-1]
    pattern = rf"{_SPEAKER}\s*(?:{_DEGREE}\s*)*({named})(?![a-zà-ÿ]){_POLITE}{_ABOUT_THE_ANSWER}"
    return re.compile(pattern), feeling_of


def feeling(sentence: str) -> str | None:
    """Return the feeling that a sentence (lower case, straight apostrophes) names of its speaker."""
    pattern, feeling_of = _lexicon()
    found = None
    for match in pattern.finditer(sentence):
        found = feeling_of[match[1]]
    return found
