"""Text in the one form that screening rules are written for.

Lower case without accents, words separated by one space, `.` after a sentence, `,` between clauses, `"` for any
quotation mark; hidden characters, stretched letters, spaced-out words and light number-for-letter spelling undone.
Apostrophes are dropped (`don't` is `dont`). It takes linear time and never fails on odd Unicode.
"""

from __future__ import annotations

import re
import unicodedata

_HIDDEN = re.compile(
    r"[\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180e\u200b-\u200f\u202a-\u202e\u2060-\u206f\ufe00-\ufe0f\ufeff]"
)
_MARKS = re.compile(r"[\u0300-\u036f]")
_LAUGHING = re.compile(
    r"[😂🤣😆😹💀☠😜😝🙃]|(?<!\w)(?:(?:ha){2,}h?|lo+l+|lmf?ao+|rofl|ja(?:ja)+|k{3,}|mdr|w{3,})(?!\w)|哈哈+|笑死"
)
_APOSTROPHE = re.compile(r"(?<=\w)['’‘ʼ`´′](?=\w)")
_QUOTE = re.compile(r"[\"'“”„‟«»‹›「」『』‘’‚`´]+")
_SPELLED_OUT = re.compile(r"(?<!\w)(?:[a-z][ .\-_*]{1,3}){3,}[a-z](?!\w)")
_NOT_LETTERS = re.compile(r"[ .\-_*]+")
_CODED = re.compile(
    r"(?<![^\W_])(?:[a-z]{1,30}(?:[013457$@*]|!(?=[a-z]))(?=[a-z])(?:[a-z013457$@*]|!(?=[a-z])){0,30}|5u[i1!]c\w{2,9})"
)
_CODE = str.maketrans("013457@$!*", "oieastasii")
_STRETCHED = re.compile(r"([^\W\d_])\1{2,}")
_STOP = re.compile(r"[.!?;\n\r\u2026。！？；|]+")
_PAUSE = re.compile(r"[,:，、：()（）\[\]—–~]+|(?<=\s)-+(?=\s)")
_NOISE = re.compile(r"[^\w.,\" \u0600-\u109f]+|_+")
_SEPARATORS = re.compile(r" *([.,])(?: *[.,])* *")
_SPACES = re.compile(r"\s+")
_LONG_WORD = re.compile(r"([^\W]{40})\w+")


def canonical(text: str) -> str:
    """Return `text` in canonical form."""
    text = unicodedata.normalize("NFKC", text).casefold()
    text = _HIDDEN.sub("", text)
    text = unicodedata.normalize("NFC", _MARKS.sub("", unicodedata.normalize("NFD", text)))
    text = _LAUGHING.sub(" lol ", text)
    text = _QUOTE.sub(' " ', _APOSTROPHE.sub("", text))
    text = _SPELLED_OUT.sub(lambda match: _NOT_LETTERS.sub("", match[0]), text)
    text = _CODED.sub(lambda match: match[0].translate(_CODE), text)
    text = _STRETCHED.sub(r"\1", text)
    text = _PAUSE.sub(" , ", _STOP.sub(" . ", text))
    text = _LONG_WORD.sub(r"\1", _NOISE.sub(" ", text))
    text = _SEPARATORS.sub(lambda match: " . " if "." in match[0] else " , ", _SPACES.sub(" ", text))
    return _SPACES.sub(" ", text).strip()


def sentences(canonical_text: str) -> list[str]:
    """Split canonical text at its sentence ends."""
    return [part.strip() for part in canonical_text.split(" .") if part.strip(" .,")]
