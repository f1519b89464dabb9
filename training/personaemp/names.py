"""Which words of somebody's texts are names of people: by what is said about them, and by lists of given names.

Faker's lists of given names stand in for a trained recogniser (see pseudonyms.py). A name that is found once is a name
wherever else it stands in the same texts. Words that are ordinary words too (Will, Grace, Hope) need a sign: "my friend
Will", a title, or a surname. It knows scripts with capital letters only: names in Chinese or Arabic are not found.
"""

from __future__ import annotations

import importlib
import re
from collections import Counter
from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path
from typing import Literal

Kind = Literal["female", "male", "last"]

_LOCALES = (
    "en_US",
    "en_GB",
    "en_IE",
    "en_IN",
    "de_DE",
    "es_ES",
    "es_MX",
    "fr_FR",
    "it_IT",
    "pt_BR",
    "pt_PT",
    "nl_NL",
    "pl_PL",
    "sv_SE",
    "da_DK",
    "no_NO",
    "fi_FI",
    "cs_CZ",
    "hu_HU",
    "ro_RO",
    "tr_TR",
    "hr_HR",
    "id_ID",
)

_ANY = r"[^\W\d_]+(?:['’-][^\W\d_]+)*"
_NAME = r"[^\W\d_a-zß-öø-ÿ][^\W\d_]*(?:['’-][^\W\d_]+)*"
_WORD = re.compile(_ANY)
_SIGN = re.compile(
    r"(?:\b(?i:my name(?:'s| is)|i am called|call me|named|mr\.?|mrs\.?|ms\.?|dr\.?|prof\.?|herrn?|frau|señora?|"
    r"me llamo|mi nombre es|ich hei(?:ß|ss)e|mein name ist|je m['’]appelle|mi chiamo|me chamo|mam na imię|"
    r"(?:my|our|mein|meine|mi|mon|ma|meu|minha|mio|mia)\s+(?:\w+\s+)?"
    r"(?:friend|boyfriend|girlfriend|husband|wife|partner|ex|boss|manager|colleague|coworker|co-worker|neighbou?r|"
    r"teacher|therapist|doctor|brother|sister|son|daughter|cousin|uncle|aunt|roommate|flatmate|nephew|niece|"
    r"freund(?:in)?|mann|frau|chef(?:in)?|bruder|schwester|sohn|tochter|kolleg(?:e|in)|"
    r"amig[oa]|novi[oa]|espos[oa]|jefe|jefa|herman[oa]|hij[oa]|ami|amie|copain|copine|mari|femme|frère|sœur|fils|fille)"
    r"(?:\s+(?:is|was|named|called)|,)?)\s+)"
    rf"(?P<first>{_ANY})(?:\s+(?P<last>{_NAME}))?"
)
_NOT_AFTER_A_SIGN = frozenset(
    {
        "i",
        "i'm",
        "i've",
        "i'd",
        "i'll",
        "it",
        "he",
        "she",
        "they",
        "we",
        "you",
        "but",
        "and",
        "so",
        "who",
        "ich",
        "er",
        "sie",
        "je",
        "il",
        "elle",
    }
)


def find_names(texts: Iterable[str]) -> dict[str, Kind]:
    """Return the names in somebody's texts, as they stand there, each with its kind."""
    kept = list(texts)
    found: dict[str, Kind] = {}
    for text in kept:
        for name, kind in _signed(text):
            found.setdefault(name, kind)
    cases = Counter((word.casefold(), word[0].isupper()) for text in kept for word in _WORD.findall(text))
    lowered = {word for (word, upper), count in cases.items() if not upper and count > cases[word, True]}
    for text in kept:
        for name, kind in _listed(text, lowered):
            found.setdefault(name, kind)
    return found


def names_of(kind: Kind) -> tuple[str, ...]:
    """Return the names that stand in for names of a kind, always in the same order."""
    return _stand_ins(kind)


def _signed(text: str) -> Iterator[tuple[str, Kind]]:
    for sign in _SIGN.finditer(text):
        first, last = sign["first"], sign["last"]
        folded = first.casefold()
        plain = folded in _given() and folded not in _ordinary()
        if folded in _NOT_AFTER_A_SIGN or not (first[:1].isupper() or plain):
            continue
        yield first, _given().get(folded, "female")
        if last and last[:1].isupper() and last.casefold() not in _NOT_AFTER_A_SIGN:
            yield last, "last"


def _listed(text: str, lowered: set[str]) -> Iterator[tuple[str, Kind]]:
    given, words = _given(), list(_WORD.finditer(text))
    for place, word in enumerate(words):
        name = _bare(word.group())
        kind = given.get(name.casefold())
        if kind is None or not name[0].isupper() or len(name) < 2:
            continue
        after = words[place + 1] if place + 1 < len(words) else None
        surname = _bare(after.group()) if after and text[word.end() : after.start()] in (" ", "\u00a0") else ""
        is_surname = (
            surname[:1].isupper() and surname.casefold() not in _ordinary() and surname.casefold() not in lowered
        )
        known = surname.casefold() in _family()
        doubtful = name.casefold() in _ordinary() or name.casefold() in lowered
        if not doubtful or (is_surname and known):
            yield name, kind
            if is_surname and (known or not doubtful) and surname.casefold() not in _NOT_AFTER_A_SIGN:
                yield surname, "last"


def _bare(word: str) -> str:
    return re.sub(r"['’][sS]$", "", word)


def may_be_lower(name: str) -> bool:
    """Say whether a name is one also where it is written without a capital."""
    return name.casefold() in _given() and name.casefold() not in _ordinary()


@cache
def _ordinary() -> frozenset[str]:
    lines = Path(__file__).with_suffix(".txt").read_text(encoding="utf-8").splitlines()
    return frozenset(word for line in lines if not line.startswith("#") for word in line.split())


@cache
def _given() -> dict[str, Kind]:
    kinds: tuple[Kind, ...] = ("female", "male")
    found: dict[str, Kind] = {}
    for locale in _LOCALES:
        provider = _provider(locale)
        for kind in kinds:
            for name in getattr(provider, f"first_names_{kind}", ()) or getattr(provider, "first_names", ()):
                for part in str(name).split():
                    if len(part) > 1:
                        found.setdefault(part.casefold(), kind)
    return found


@cache
def _family() -> frozenset[str]:
    names = (str(name) for locale in _LOCALES for name in getattr(_provider(locale), "last_names", ()))
    return frozenset(part.casefold() for name in names for part in name.split() if len(part) > 1)


@cache
def _stand_ins(kind: Kind) -> tuple[str, ...]:
    names = getattr(_provider("en_US"), "last_names" if kind == "last" else f"first_names_{kind}")
    return tuple(sorted(str(name) for name in names if str(name).casefold() not in _ordinary()))


def _provider(locale: str) -> type:
    provider: type = importlib.import_module(f"faker.providers.person.{locale}").Provider
    return provider
