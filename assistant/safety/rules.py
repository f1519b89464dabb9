"""The rules of `phrases.toml`, `ideas.<language>.toml` and `unsafe.toml`, compiled once.

For messages: what is a sign, what raises, softens, excuses or denies it. For replies: what must not be said.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from memory.once import once
from memory.template import load
from memory.types import CrisisLevel

_SIMPLE_CHARACTERS = (
    "杀药绳枪楼桥边着没样结书离开让谁们个这说觉话来时后对为会过还东爱请门妈爷亲继邻问给忆计划吓"
    "脸车轨医师学业写读视听声恶监窥饿轻压岁脑护伤强里无买发记选关锁赶迟够吗顶间终断从经"
)
_TRADITIONAL_CHARACTERS = (
    "殺藥繩槍樓橋邊著沒樣結書離開讓誰們個這說覺話來時後對為會過還東愛請門媽爺親繼鄰問給憶計劃嚇"
    "臉車軌醫師學業寫讀視聽聲惡監窺餓輕壓歲腦護傷強裡無買發記選關鎖趕遲夠嗎頂間終斷從經"
)
_TO_SIMPLE = str.maketrans(_TRADITIONAL_CHARACTERS, _SIMPLE_CHARACTERS)
_MACRO = re.compile(r"<([a-z0-9_]+)>")
_MAX_NESTING = 5
_LANGUAGES = ("en", "es", "de", "fr", "pt", "zh", "ja")
_TRADITIONAL = str.maketrans(
    {simple: f"[{simple}{other}]" for simple, other in zip(_SIMPLE_CHARACTERS, _TRADITIONAL_CHARACTERS, strict=True)}
)


@dataclass(frozen=True, slots=True)
class Rule:
    """Words that are a sign by themselves, or an idea: words that are one beside others."""

    id: str
    language: str
    category: str
    level: CrisisLevel
    pattern: re.Pattern[str]
    negated: bool
    """Whether a denial before the words takes them back."""
    firm: bool
    """Whether laughter or a trivial cause beside them changes nothing."""
    beside: tuple[re.Pattern[str], ...] = ()
    """Each must be found too."""
    wide: bool = False
    """Whether `beside` may also stand in the sentences around."""
    unless: re.Pattern[str] | None = None
    """Found in the sentences around, it excuses the words."""


@dataclass(frozen=True, slots=True)
class Rise:
    """Words that mean more beside a sign, or after one."""

    id: str
    pattern: re.Pattern[str]
    beside: CrisisLevel | None
    after: CrisisLevel | None
    near: bool
    """Whether they must stand in the sign's sentence, or in a short one next to it."""
    weak: bool = False
    """Whether an earlier concern is enough for `after`."""


@dataclass(frozen=True, slots=True)
class Soften:
    """Words that lower a sign by one step."""

    id: str
    pattern: re.Pattern[str]
    scope: Literal["sentence", "message", "quote"]
    all: bool
    """Whether firm rules are lowered too."""
    floor: CrisisLevel
    """It lowers nothing below this."""
    categories: frozenset[str]
    """Of the signs it lowers; empty for all."""
    steps: int = 1
    context: bool = False
    """Whether the person's message just before counts too."""


@dataclass(frozen=True, slots=True)
class Negator:
    """Words that deny what follows, unless `undo` stands there too."""

    pattern: re.Pattern[str]
    undo: re.Pattern[str]


@dataclass(frozen=True, slots=True)
class Unsafe:
    """Words that a reply must not contain, unless it warns of them."""

    reason: str
    pattern: re.Pattern[str]
    unless: re.Pattern[str]


@dataclass(frozen=True, slots=True)
class Rules:
    """Everything in `phrases.toml`."""

    rules: tuple[Rule, ...]
    rises: tuple[Rise, ...]
    softens: tuple[Soften, ...]
    idioms: tuple[re.Pattern[str], ...]
    negators: Mapping[str, Negator]
    """By language."""


def simplified(text: str) -> str:
    """Return `text` with the traditional characters that rules know replaced by the simple ones."""
    return text.translate(_TO_SIMPLE)


@once
def rules() -> Rules:
    """Read and compile the rules, once."""
    data = tomllib.loads(load("assistant.safety", "phrases.toml"))
    found = _compiled(data, data["macros"])
    for language in _LANGUAGES:
        ideas = tomllib.loads(load("assistant.safety", f"ideas.{language}.toml"))
        found = _joined(found, _compiled(ideas, {**data["macros"], **ideas.get("macros", {})}, language))
    return found


def _compiled(data: Mapping[str, Any], macros: Mapping[str, str], language: str = "") -> Rules:
    def compiled(patterns: Iterable[str]) -> re.Pattern[str]:
        whole = "|".join(f"(?:{expand(pattern, macros)})" for pattern in patterns)
        return re.compile(whole.translate(_TRADITIONAL) if language == "zh" else whole)

    return Rules(
        rules=(
            *(_rule(row, compiled(row["patterns"])) for row in data.get("rule", ())),
            *(_idea(row, language, compiled) for row in data.get("idea", ())),
        ),
        rises=tuple(_rise(row, compiled(row["patterns"])) for row in data.get("rise", ())),
        softens=tuple(_soften(row, compiled(row["patterns"])) for row in data.get("soften", ())),
        idioms=tuple(compiled(row["patterns"]) for row in data.get("idiom", ())),
        negators={
            row["language"]: Negator(compiled(row["patterns"]), compiled([row["undo"]]))
            for row in data.get("negator", ())
        },
    )


def _joined(one: Rules, other: Rules) -> Rules:
    return Rules(
        rules=one.rules + other.rules,
        rises=one.rises + other.rises,
        softens=one.softens + other.softens,
        idioms=one.idioms + other.idioms,
        negators={**one.negators, **other.negators},
    )


@once
def unsafe() -> tuple[Unsafe, ...]:
    """Read and compile what replies must not say, once; most serious first."""
    data = tomllib.loads(load("assistant.safety", "unsafe.toml"))
    return tuple(
        Unsafe(row["reason"], re.compile("|".join(f"(?:{one})" for one in row["patterns"])), re.compile(row["unless"]))
        for row in data["unsafe"]
    )


def expand(pattern: str, macros: Mapping[str, str]) -> str:
    """Replace each `<name>` by its macro, also inside macros.

    Raises:
        KeyError: no such macro, or macros that contain each other.
    """
    for _ in range(_MAX_NESTING):
        if _MACRO.search(pattern) is None:
            return pattern
        pattern = _MACRO.sub(lambda match: macros[match[1]], pattern)
    raise KeyError(f"macros nest deeper than {_MAX_NESTING}: {pattern[:80]}")


def _rule(row: Mapping[str, Any], pattern: re.Pattern[str]) -> Rule:
    return Rule(
        id=row["id"],
        language=row["language"],
        category=row["category"],
        level=row["level"],
        pattern=pattern,
        negated=row.get("negated", True),
        firm=row.get("firm", False),
    )


def _idea(row: Mapping[str, Any], language: str, compiled: Callable[[Iterable[str]], re.Pattern[str]]) -> Rule:
    head, *beside = row["all"]
    return Rule(
        id=f"{language}.idea.{row['id']}",
        language=language,
        category=row["category"],
        level=row["level"],
        pattern=compiled([head]),
        negated=row.get("negated", True),
        firm=row.get("firm", False),
        beside=tuple(compiled([one]) for one in beside),
        wide=row.get("wide", False),
        unless=compiled([row["unless"]]) if "unless" in row else None,
    )


def _rise(row: Mapping[str, Any], pattern: re.Pattern[str]) -> Rise:
    return Rise(row["id"], pattern, row.get("beside"), row.get("after"), row.get("near", False), row.get("weak", False))


def _soften(row: Mapping[str, Any], pattern: re.Pattern[str]) -> Soften:
    return Soften(
        id=row["id"],
        pattern=pattern,
        scope=row["scope"],
        all=row.get("all", False),
        floor=row.get("floor", "none"),
        categories=frozenset(row.get("categories", ())),
        steps=row.get("steps", 1),
        context=row.get("context", False),
    )
