"""The person's own words handed back: one clause of theirs with the pronouns turned round, or a short quotation.

Turning round is only done where it is sure to be grammatical and kind; otherwise the answer is None, and the caller
says something else. English only.
"""

from __future__ import annotations

import re

_MIN_WORDS, _MAX_WORDS = 4, 18
_SENTENCE = re.compile(r"[^.!?\n;]+[.!?;]?")
_LEAD = re.compile(
    r"^(?:(?:and|but|so|because|well|ok|okay|anyway|honestly|also|then|yeah|yes|no|ugh|man|god|oh|like|hi|hello|hey"
    r"|today|lately|basically|i mean|you know|to be honest|tbh|i guess)\b[\s,]*){1,3}",
    re.IGNORECASE,
)
_TURNED = {
    "i": "you",
    "i'm": "you're",
    "im": "you're",
    "i've": "you've",
    "ive": "you've",
    "i'd": "you'd",
    "i'll": "you'll",
    "me": "you",
    "my": "your",
    "mine": "yours",
    "myself": "yourself",
}
_AFTER_I = {"am": "are", "was": "were", "wasn't": "weren't", "wasnt": "weren't"}
_FIRST_PERSON = frozenset(_TURNED)
_UNTURNABLE = re.compile(
    r"\b(?:you|your|yours|yourself|u|ur|we|we're|we've|we'll|our|ours|us|let's|lets|attune)\b"
    r"|\b(?:and|or|than|as|like|but|except) (?:i|me|my)\b(?!'| (?:am|was|feel|have|had|don't|can't|think|just|know|need"
    r"|want|got|did|lost|said|felt|really|still)\b)"
    r"|\b(?:am|was|do|did|have|can|should|would|will|could) i\b|\bi'?m not sure"
    r"|[\"“”«»<>{}\[\]@#*_|\\/]|https?:|\d{4,}",
    re.IGNORECASE,
)
_UNQUOTABLE = re.compile(r"[\"“”<>{}\[\]\\|]|https?:")
_HARD_WORDS = (
    r"fail(?:ure|ed at everything)|worthless|useless|stupid|an? idiot|ugly|disgusting|pathetic|loser|burden|dumb"
    r"|hate (?:myself|my (?:body|life|face))|unlovable|not (?:good )?enough|my (?:own )?fault"
    r"|(?:terrible|bad|awful|horrible) (?:person|mother|mom|father|dad|friend|partner|parent|son|daughter|wife|husband)"
)
_UNKIND = re.compile(
    rf"\b(?:{_HARD_WORDS}|fat|weak|broken|crazy|insane|mess|monster|deserve\w*|fuck\w*|shit\w*|bitch\w*|bastard\w*"
    r"|cunt|slut|whore|kill\w*|die|dead|suicid\w*|sex\w*|rape\w*|nazi\w*)\b",
    re.IGNORECASE,
)
_JUDGES_SELF = re.compile(
    r"\b(?:i'?m|i am|i was|i've been|i feel|me feel)\b"
    r"(?: (?:such|an?|so|just|like|the|really|too|completely|totally|always|i'm|i am|of|kind|being"
    rf"|still|nothing|but|very|most|pretty|fucking|complete|total)){{0,6}} (?:{_HARD_WORDS})\b"
    r"|\b(?:i hate myself|(?:all |was |is |it's )my (?:own )?fault)\b",
    re.IGNORECASE,
)
_STARTERS = re.compile(
    r"(?:you(?:'re|'ve|'d|'ll|rs?)?|he(?:'s)?|she(?:'s)?|it(?:'s)?|they(?:'re)?|his|her|their|the|an?|this|that|these"
    r"|those|there|everyone|nobody|everything|nothing|someone|something)",
    re.IGNORECASE,
)


def mirror(message: str) -> str | None:
    """Return the last clause of `message` that can be handed back, its pronouns turned round, or None.

    It begins in lower case and ends without a full stop.
    """
    clauses = [clause for clause in map(_clause, _SENTENCE.findall(message[:2000])) if clause is not None]
    turned = [one for one in map(_turn, clauses) if one is not None]
    return turned[-1] if turned else None


def quotable(message: str) -> str | None:
    """Return a short, harmless piece of `message` word for word, or None."""
    for sentence in _SENTENCE.findall(message[:2000]):
        text = sentence.strip(" \t.,;")
        if _MIN_WORDS - 1 <= len(text.split()) <= _MAX_WORDS and _UNQUOTABLE.search(text) is None:
            return None if _UNKIND.search(text) else text
    return None


def judges_self(message: str) -> bool:
    """Whether the person speaks of themselves in hard words."""
    return _JUDGES_SELF.search(message.replace("’", "'")) is not None


def _clause(sentence: str) -> str | None:
    """One plain first-person statement, without what leads into it; None for anything else."""
    text = sentence.replace("’", "'").strip()
    if text.endswith("?"):
        return None
    text = _LEAD.sub("", text.strip(" \t.!;,")).strip(" ,")
    for joint in (" but ", ", so ", " because ", ", and ", " and now "):
        head, found, tail = text.partition(joint)
        if found and len(text.split()) > _MAX_WORDS:
            text = head if len(head.split()) >= _MIN_WORDS else tail
    words = text.split()
    if not _MIN_WORDS <= len(words) <= _MAX_WORDS or _UNTURNABLE.search(text) or _UNKIND.search(text):
        return None
    return text if any(word.casefold().strip(",") in _FIRST_PERSON for word in words) else None


def _turn(clause: str) -> str | None:
    """Turn the pronouns round and lower the first letter; None where the first word may be a name."""
    words = clause.split()
    turned: list[str] = []
    previous = ""
    for word in words:
        core = word.strip(",:")
        key = core.casefold()
        new = _TURNED.get(key) or (_AFTER_I.get(key) if previous == "i" else None)
        turned.append(word.replace(core, new) if new is not None and core else word)
        if key not in ("really", "just", "also", "still", "always", "never", "only"):
            previous = key
    first = turned[0]
    if _STARTERS.fullmatch(first.strip(",")) is None:
        return None
    turned[0] = first[:1].lower() + first[1:]
    rest = " ".join(turned)
    return rest if not re.search(r"\b(?:you am|you was|you'm|I)\b", rest) else None
