"""Tells a person's own words about their life from tasks, role play, fiction and pasted text.

Works on a whole message, before any sentence is read; its patterns are in rules/prose.toml. Prefers silence: a message
that may be somebody else's words, or words for somebody else, yields nothing.
"""

from __future__ import annotations

import re
from functools import cache

from memory.reflect.patterns import any_of, read

SHORT = 400
"""A longer message that keeps speaking to somebody is a letter to them."""
CONVERSATION = 600
"""A longer message is not plain talk."""
LONG = 1_200
"""A longer message is taken for the person's own words only if it keeps speaking of them."""
FOREIGN = "\ufffc"
"""Stands where quoted or copied words were blanked out, so that the sentence around them is seen to hold some."""

_MOST_LINES = 8

_BEGIN = (
    r"(?:^|[.!?:\n。！？：]\s{0,3})"
    r"(?:(?:so|now|and|then|also|ok|okay|great|please|pls|hi|hello|hey|kindly)[ ,]+)*"
)
_BEGIN_ELSEWHERE = (
    r"(?:^|[.!?:,\n。！？，]\s{0,3}|"
    r"\b(?:puedes|quiero que|kannst du|bitte|peux-tu|pouvez-vous|pode|por favor|请|帮我|帮忙)\s{0,3})"
)
_ACTION = re.compile(r"(?<![*\w])\*(?![*\s])[^*\s]+\s[^*\n]{2,200}\*(?!\*)")
_STAGE_DIRECTION = re.compile(r"\s*[(\[][^)\]\n]{3,200}[)\]]\s*(?:\n|$)")
_LABEL = re.compile(r"^\s*(?:[-*•▪●]|\d+[.)]|[a-z]\)|#+|[A-Z][\w /&'-]{1,40}:(?:\s|$))")
_VERBATIM = re.compile(
    r"```.*?(?:```|\Z)|`[^`\n]+`|(?m:^\s*>.*$)|https?://\S+|www\.\S+|<[^<>\n]{1,200}>|“[^”]*(?:”|\Z)|«[^»]*(?:»|\Z)|"
    r"„[^“”]*(?:[“”]|\Z)|「[^」]*(?:」|\Z)|『[^』]*(?:』|\Z)|(?<![\w])\"[^\"]*(?:\"|\Z)|(?<![\w'])'[^'\n]{8,}'(?!\w)|"
    r"(?<![\w])‘[^‘\n]{8,}’(?!\w)",
    re.DOTALL,
)
_CODE_LINE = re.compile(r"(?m)^.*(?:[{}]|;[ \t]*$|=>|\(\)|==|</|\bdef \w+\(|\bimport \w+|\bSELECT\b).*$")
_FIRST_PERSON = re.compile(
    r"\b(?:i|i'm|im|i've|my|me|mine|we|our|yo|mi|mis|me|soy|estoy|ich|mein|meine|mir|mich|je|j'\w+|mon|ma|mes|eu|meu|"
    r"minha|я|мой|моя|мне|меня)\b|我|私|僕|俺"
)
_ADDRESSED = re.compile(r"\b(?:you|your|yours|tú|tu|te|du|dich|dir|dein|deine|vous|votre|você)\b|你|您")


class _Signs:
    """The compiled patterns of rules/prose.toml."""

    def __init__(self) -> None:
        file = read("prose")
        asked = rf"(?:{_BEGIN}{any_of(file['ask'])}?|{any_of(file['ask'])})(?:re)?"
        elsewhere, rework = any_of(file["make_elsewhere"]), any_of(file["rework"])
        lines = rf"(?:^|\n)[ \t]{{0,8}}{any_of(file['letter_lines'])}"
        self.role_play = re.compile(any_of(file["role_play"]))
        self.make = re.compile(rf"{asked}{any_of(file['make'])}\b|{_BEGIN_ELSEWHERE}{elsewhere}")
        self.task = re.compile(rf"\b{any_of(file['task'])}\b|{any_of(file['task_unspaced'])}")
        self.fiction = re.compile(rf"\b{any_of(file['fiction'])}\b|{any_of(file['fiction_unspaced'])}")
        self.not_own = (
            re.compile(any_of(file["part"])),
            re.compile(rf"{lines}\b|\b{any_of(file['letter'])}\b"),
            re.compile(rf"{asked}{rework}\b|\b{any_of(file['rework_elsewhere'])}|{any_of(file['pasted'])}"),
            _ACTION,
        )


@cache
def _signs() -> _Signs:
    return _Signs()


def is_role_play(low: str) -> bool:
    """Whether a message (lower case, straight apostrophes) sets up a part that somebody goes on to play."""
    return bool(_signs().role_play.search(low))


def own_words(text: str, low: str) -> str | None:
    """Return `text` with everything blanked out that is not the person speaking of themselves; None if nothing is left.

    Args:
        text: the message.
        low: the same text in lower case with straight apostrophes, character for character.
    """
    signs = _signs()
    if any(sign.search(low) for sign in signs.not_own) or _STAGE_DIRECTION.match(low) or _is_document(text, low):
        return None
    if order := signs.make.search(low):
        if signs.fiction.search(low) or order.start() == 0:
            return None
        # What comes after the order is mostly the material for it.
        end_of_sentence = text[order.start()] in ".!?:\n。！？："
        text = text[: order.start() + end_of_sentence]
    return _CODE_LINE.sub(_blank, _VERBATIM.sub(_blank, text))


def is_work(low: str) -> bool:
    """Whether a message (lower case, straight apostrophes) asks for work on a text, or for something made up."""
    signs = _signs()
    if signs.task.search(low) or any(sign.search(low) for sign in signs.not_own):
        return True
    return bool(signs.make.search(low) and signs.fiction.search(low))


def is_conversation(text: str, low: str, own: str) -> bool:
    """Whether a message that is no work is a person's plain talk: short, without an order, quoted or copied words.

    Args:
        text: the message.
        low: the same text in lower case with straight apostrophes.
        own: what `own_words` left of it.
    """
    if len(text) > CONVERSATION or FOREIGN in own or text.count("\n") > _MOST_LINES:
        return False
    return _signs().make.search(low) is None


def _blank(match: re.Match[str]) -> str:
    return FOREIGN + " " * (len(match[0]) - 1) if match[0] else ""


def _is_document(text: str, low: str) -> bool:
    lines = [line for line in text.splitlines() if line.strip()]
    if len(lines) >= 4 and sum(bool(_LABEL.match(line)) for line in lines) * 2 >= len(lines):
        return True
    # Verse, or a list without marks.
    short = [line for line in lines if len(line) < 60 and line.rstrip()[-1] not in ".!?。！？"]
    if len(lines) >= 6 and len(short) * 3 >= len(lines) * 2:
        return True
    if text.count("“") + text.count("”") + text.count('"') >= 6 or text.count("”") > text.count("“") + text.count("„"):
        return True
    if len(text) < SHORT:
        return False
    speaker, addressed = len(_FIRST_PERSON.findall(low)), len(_ADDRESSED.findall(low))
    return (addressed >= 5 and addressed * 2 >= speaker) or (len(text) >= LONG and speaker * 25 < len(text.split()))
