"""Crisis screening: the level of one message of a person, and what a reply must not say.

Deterministic, in linear time, and never silent about its own failure: that is `concern`. Rules find plain and lightly
disguised signs in the languages of `phrases.toml`, take denials, exaggeration, fiction and quotations into account, and
let what follows a crisis weigh more; a friend in danger is `concern` (`high` when it is happening now), so that the
person is helped to help. What was learned from labelled lines (learned.py) raises, and holds back a rule that is not
firm where the message resembles harmless ones. Both read words, not minds.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

from assistant.language import detect_language
from assistant.safety.canonical import canonical, sentences
from assistant.safety.learned import judge, weights
from assistant.safety.rules import Rule, Rules, Soften, rules, unsafe
from memory.types import CrisisLevel

LEVELS: tuple[CrisisLevel, ...] = ("none", "concern", "high", "imminent")
CONTEXT_MESSAGES = 4
"""So many of the person's previous messages count."""
CONTEXT_CHARS = 4000
"""Of each, at most so many characters from its end."""
_NEGATION_WORDS = 6
_NEGATION_CHARS = 160
_SHORT_WORDS = 4
"""A sentence of so few words belongs to the one before it."""
_REACH = 2
"""So many sentences on each side count as around one."""
_NEAR_CHARS = 140
"""So many characters on each side count as near: long texts without full stops are one sentence."""
_FEW_WORDS, _FEW_CHARS = 2, 20
_SAFER = re.compile(
    r"n't\b|\b(?:not|safe|better|fine|thank\w*|thx|joking|kidding|seguro|segura|mejor|gracias|sicher|besser|danke|mieux|merci|"
    r"melhor|obrigad\w)\b|安全|好多了|谢谢|大丈夫|ありがと"
)
_RAISABLE = ("self_harm", "harm_to_others")
_FAILED = "screen.failed"


@dataclass(frozen=True, slots=True)
class Screen:
    """The level of one message and the rules that matched; never the text itself."""

    level: CrisisLevel = "none"
    categories: tuple[str, ...] = ()
    """`self_harm`, `harm_to_others`, `abuse`, `eating_disorder`, `psychosis_or_mania`."""
    matched: tuple[str, ...] = ()
    """Ids of the rules."""
    language: str = "en"
    """In which fixed texts should be worded: of the rule that matched, else of the message."""
    doubtful: bool = False
    """Whether it is no crisis, but resembles harmless messages too little to be sure: a second look may tell. False
    where that was not asked."""

    @property
    def crisis(self) -> bool:
        """Whether the crisis protocol takes over: high or imminent."""
        return self.level in ("high", "imminent")

    def at_least(self, level: CrisisLevel, category: str = "", *, rule: str) -> Screen:
        """Return this screen raised to `level` by `rule`; itself where it stands there already."""
        if LEVELS.index(level) <= LEVELS.index(self.level):
            return self
        categories = tuple(dict.fromkeys([category, *self.categories] if category else self.categories))
        raised = replace(self, level=level, categories=categories, matched=(rule, *self.matched))
        return replace(raised, doubtful=self.doubtful and not raised.crisis)


@dataclass(frozen=True, slots=True)
class _Sign:
    level: int
    category: str
    rule: str
    language: str
    sentence: int = -1
    firm: bool = True
    """Whether it stands whatever the rest of the message resembles."""


def screen(message: str, context: Sequence[str] = (), *, doubts: bool = False) -> Screen:
    """Screen `message` in the light of `context`, the person's own previous messages, oldest first.

    `doubts` asks whether it is doubtful too, which takes several times as long for most messages and changes nothing
    else. Never raises: where screening itself fails, the answer is `concern`.
    """
    try:
        return _screen(message, context, doubts)
    except Exception:
        return Screen("concern", (), (_FAILED,), doubtful=doubts)


def warm() -> None:
    """Read and compile what screening takes, so that the first message does not wait for it; for most of a second."""
    screen("Good morning, how are you?", doubts=True)
    screen_reply("Good morning.")


def screen_reply(text: str) -> str | None:
    """Return why a sentence of a reply, or a whole one, must not be said, as a stable code of `unsafe.toml`; or None.

    Quoted words are judged too, so that nobody can have the assistant say them. Never raises: where it fails, the code
    is `screen_failed`.
    """
    try:
        for sentence in sentences(canonical(text)):
            for rule in unsafe():
                if rule.pattern.search(sentence) and not rule.unless.search(sentence):
                    return rule.reason
        return None
    except Exception:
        return "screen_failed"


def _screen(message: str, context: Sequence[str], doubts: bool) -> Screen:
    known = rules()
    earlier_texts = [canonical(text[-CONTEXT_CHARS:]) for text in context[-CONTEXT_MESSAGES:]]
    before = [_signs(one, known) for one in earlier_texts]
    earlier = max((sign for signs in before for sign in signs), key=lambda sign: sign.level, default=None)
    text = canonical(message)
    signs = _signs(text, known, earlier_texts[-1] if earlier_texts and earlier is None else "")
    signs += _raised(text, signs, earlier, known)
    signs, doubtful = _weighed(message, signs, doubts)
    if earlier is not None and earlier.level >= 2 and not any(sign.level for sign in signs):
        floor = 2 if _says_little(text) and _still_in_crisis(earlier_texts, before) else 1
        signs.append(_Sign(floor, earlier.category, "context.recent_crisis", earlier.language))
    result = _result(signs, message)
    return replace(result, doubtful=doubts and doubtful and not result.crisis)


def clues(message: str) -> list[str]:
    """Return what the rules tell the learned part about `message` alone: the levels found, and how firmly."""
    return clues_of(_signs(canonical(message), rules()))


def clues_of(signs: Sequence[_Sign]) -> list[str]:
    """Return the clues in `signs`."""
    return sorted({f"rule {LEVELS[sign.level]}{' firm' if sign.firm else ''}" for sign in signs if sign.level})


def _weighed(message: str, signs: list[_Sign], doubts: bool) -> tuple[list[_Sign], bool]:
    """Add what the learned part finds; hold back signs that are not firm where it finds nothing at all.

    Also returns whether it found neither a crisis nor a harmless message, which is worth knowing with `doubts`.
    """
    can_be_held_back = any(sign.level > 1 and not sign.firm for sign in signs)
    try:
        known = weights()
        found = judge(message, clues_of(signs), least=None if doubts or can_be_held_back else known.concern)
    except Exception:
        return [*signs, _Sign(1, "", _FAILED, "other")], True
    if found.score >= known.high:
        level = 3 if found.imminent else 2
        return [*signs, _Sign(level, found.category, f"learned.{LEVELS[level]}", "other")], False
    if found.score >= known.concern:
        return [*signs, _Sign(1, found.category, "learned.concern", "other")], True
    if found.score < known.clear and found.language != "other":
        return [sign if sign.firm else replace(sign, level=min(sign.level, 1)) for sign in signs], False
    return signs, True


def _says_little(text: str) -> bool:
    """Whether a message is too short to say that the crisis is over, and does not say so either."""
    return len(text.split()) <= _FEW_WORDS and len(text) <= _FEW_CHARS and not _SAFER.search(text)


def _still_in_crisis(texts: Sequence[str], signs: Sequence[Sequence[_Sign]]) -> bool:
    """Whether nothing but such short messages came since the person was in a crisis."""
    for text, found in zip(reversed(texts), reversed(signs), strict=True):
        if any(sign.level >= 2 for sign in found):
            return True
        if not _says_little(text):
            return False
    return False


def _result(signs: list[_Sign], message: str) -> Screen:
    """The highest level, and every category and rule that stands, most serious first."""
    standing = sorted((sign for sign in signs if sign.level), key=lambda sign: -sign.level)
    if not standing:
        return Screen(language=detect_language(message))
    return Screen(
        level=LEVELS[standing[0].level],
        categories=tuple(dict.fromkeys(sign.category for sign in standing if sign.category)),
        matched=tuple(dict.fromkeys(sign.rule for sign in standing)),
        language=_language(standing[0], message),
    )


def _language(sign: _Sign, message: str) -> str:
    """Of the rule; the message's own where the rule has no texts, or is English, whose words travel."""
    return sign.language if sign.language not in ("en", "other") else detect_language(message)


def _signs(text: str, known: Rules, before: str = "") -> list[_Sign]:
    """Return every sign in canonical `text`, lowered where something beside it lowers it; level 0 is left out.

    `before` is the message just before, when it showed no sign: what it was about may excuse this one.
    """
    parts = [_without_idioms(part, known) for part in sentences(text)]
    around = [
        soften
        for soften in known.softens
        if soften.scope == "message"
        and (soften.pattern.search(text) or (soften.context and soften.pattern.search(before)))
    ]
    found: list[_Sign] = []
    for position, part in enumerate(parts):
        softens: list[Soften] | None = None
        for rule in known.rules:
            start = _first(rule, part, known)
            if start is None or not _together(rule, parts, position, start):
                continue
            if softens is None:
                nearby = " . ".join(parts[position : position + 2])
                softens = [one for one in known.softens if one.scope == "sentence" and one.pattern.search(nearby)]
            level = _lowered(rule, part, start, softens, around, known)
            if level > 0:
                found.append(_Sign(level, rule.category, rule.id, rule.language, position, rule.firm))
    return found


def _together(rule: Rule, parts: Sequence[str], position: int, start: int) -> bool:
    """Whether everything stands near the words of `rule` that it asks for, and nothing that excuses them."""
    if not rule.beside and rule.unless is None:
        return True
    before = [f"{part} . " for part in parts[max(0, position - _REACH) : position]]
    around = "".join(before) + " . ".join(parts[position : position + _REACH + 1])
    middle = sum(map(len, before)) + start
    near = around[max(0, middle - _NEAR_CHARS) : middle + _NEAR_CHARS]
    where = near if rule.wide else parts[position][max(0, start - _NEAR_CHARS) : start + _NEAR_CHARS]
    return all(one.search(where) for one in rule.beside) and not (rule.unless and rule.unless.search(near))


def _without_idioms(sentence: str, known: Rules) -> str:
    for idiom in known.idioms:
        sentence = idiom.sub("~", sentence)
    return sentence


def _first(rule: Rule, sentence: str, known: Rules) -> int | None:
    """Return where `rule` first matches without being denied, or None."""
    for match in rule.pattern.finditer(sentence):
        if not (rule.negated and _denied(rule, sentence, match.start(), match.end(), known)):
            return match.start()
    return None


def _denied(rule: Rule, sentence: str, start: int, end: int, known: Rules) -> bool:
    """Whether words before the match in its own clause, or the match's own gaps, deny it."""
    negator = known.negators.get(rule.language)
    if negator is None:
        return False
    reach = max(0, start - _NEGATION_CHARS)
    clause = max(sentence.rfind(mark, reach, start) for mark in (",", " but ", '"', " because "))
    before = " ".join(sentence[max(reach, clause + 1) : start].split()[-_NEGATION_WORDS:])
    window = f"{before} {sentence[start:end]}"
    return (
        negator.pattern.search(window) is not None
        and negator.undo.search(f"{window}{sentence[end : end + 20]}") is None
    )


def _lowered(
    rule: Rule, sentence: str, start: int, beside: Sequence[Soften], around: Sequence[Soften], known: Rules
) -> int:
    """Return the level of a match after what stands beside it, around it, or before its quotation mark."""
    quoted = sentence.count('"', 0, start + 1) % 2 == 1
    speakers = [one for one in known.softens if one.scope == "quote"] if quoted else []
    plain = lowest = LEVELS.index(rule.level)
    for soften in (*beside, *around):
        if (rule.firm and not soften.all) or (soften.categories and rule.category not in soften.categories):
            continue
        steps = 2 if quoted and soften.scope == "message" else soften.steps
        lowest = min(lowest, max(plain - steps, LEVELS.index(soften.floor)))
    if any(one.pattern.search(sentence, 0, start + 2) for one in speakers):
        lowest = min(lowest, 1)
    return lowest


def _raised(text: str, signs: Sequence[_Sign], earlier: _Sign | None, known: Rules) -> list[_Sign]:
    """Return what raising words add beside high signs of this message, or after an earlier one."""
    beside = [sign for sign in signs if _can_rise(sign)]
    after = earlier if earlier is not None and earlier.category in _RAISABLE else None
    if not beside and after is None:
        return []
    parts = sentences(text)
    found: list[_Sign] = []
    for rise in known.rises:
        where = [position for position, part in enumerate(parts) if rise.pattern.search(part)]
        if where and after is not None and rise.after is not None and after.level >= (1 if rise.weak else 2):
            found.append(_Sign(LEVELS.index(rise.after), after.category, rise.id, after.language))
        for sign in beside if rise.beside is not None else ():
            if any(not rise.near or _near(position, sign.sentence, parts) for position in where):
                found.append(_Sign(LEVELS.index(rise.beside or "none"), sign.category, rise.id, sign.language))
    return found


def _can_rise(sign: _Sign) -> bool:
    return sign.level >= 2 and sign.category in _RAISABLE


def _near(position: int, sign: int, parts: Sequence[str]) -> bool:
    """Whether the sentence at `position` is the sign's own, or a short one next to it."""
    return position == sign or (abs(position - sign) == 1 and len(parts[position].split()) <= _SHORT_WORDS)
