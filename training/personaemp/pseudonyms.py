"""Names and contact details of one person's texts replaced by others, the same way everywhere in them.

Faker (given and family names of many countries) and phonenumbers (one number in its many spellings) do it in 5 MB;
Presidio would bring spaCy (82 MB of wheels) for a trained recogniser whose models no package index carries, and without
one it finds no names, while scrubadub's last release (2021) wants textblob and old scikit-learn.

Guarantees: no e-mail address, URL, handle, IBAN with a right checksum, or number of seven digits and more that is not a
date survives; which name stands for which follows from the person's secret, so it cannot be computed from the texts,
and differs between people and data sets. It does not make anonymous: what happened to somebody can give them away,
names in scripts without capitals are not found, and a rare name without any sign of being one stays.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Iterable, Iterator
from functools import lru_cache

import phonenumbers

from training.personaemp.names import Kind, find_names, may_be_lower, names_of

_URL = re.compile(
    r"\b[a-z][a-z0-9+.-]{1,20}://[^\s<>\"']+|\bwww\.[^\s<>\"']+"
    r"|\b(?:[\w-]+\.)+(?:com|org|net|io|me|co|de|fr|es|it|uk|eu|app|dev|gg|tv|ly|be)/[^\s<>\"']+",
    re.IGNORECASE,
)
_EMAIL = re.compile(r"[^\s@<>()\[\],;:\"“”]+@[^\s@<>()\[\],;:\"“”]+")
_HANDLE = re.compile(r"(?<![\w@])@\w{2,}")
_IBAN = re.compile(r"(?<![A-Z0-9])[A-Z]{2}[ .-]?\d{2}(?:[ .-]?[A-Z0-9]){11,30}", re.IGNORECASE)
_NUMBER = re.compile(r"(?<![\w.,])(?:\+|00)?\(?\d(?:[\s().\-–/ ]{0,3}\d){6,24}(?![\d])")
_DATE = re.compile(
    r"(?:1[89]|20)\d\d\s?[-–/]\s?(?:1[89]|20)\d\d|\d{4}[-./]\d{1,2}[-./]\d{1,2}|\d{1,2}[-./]\d{1,2}[-./](?:\d{2}|\d{4})"
)


class Pseudonyms:
    """What stands for what in one person's texts; `of` makes it."""

    def __init__(self, secret: str, names: dict[str, Kind], region: str | None = None) -> None:
        self._key = secret.encode()
        self._region = region
        self._taken = frozenset(name.casefold() for name in names)
        self._names = {name.casefold(): self._name(name, kind) for name, kind in names.items()}
        shapes = {shape for name in names for shape in (name, name.upper())}
        shapes |= {name.lower() for name in names if may_be_lower(name)}
        longest_first = sorted(map(re.escape, shapes), key=lambda name: (-len(name), name))
        self._pattern = re.compile(rf"(?<!\w)(?:{'|'.join(longest_first)})(?!\w)") if shapes else None

    @classmethod
    def of(cls, secret: str, texts: Iterable[str], region: str | None = None) -> Pseudonyms:
        """Find the names in all texts of a person.

        Args:
            secret: The person's own, for this data set.
            texts: Everything that will be replaced in.
            region: The country (ISO 3166-1 alpha-2) whose way of writing telephone numbers is meant without a prefix.
        """
        return cls(secret, find_names(texts), region)

    def replace(self, text: str) -> str:
        """Return the text with every name and contact detail replaced."""
        parts, end = [], 0
        for start, stop, new in sorted(self._found(text), key=lambda found: (found[0], -found[1])):
            if start < end:
                # Something longer began before: what reaches beyond it is dropped rather than kept.
                end = max(end, stop)
                continue
            parts += [text[end:start], new]
            end = stop
        return "".join([*parts, text[end:]])

    def _found(self, text: str) -> Iterator[tuple[int, int, str]]:
        for match in _URL.finditer(text):
            yield *match.span(), f"https://example.org/{self._digest('url', match.group())[:8]}"
        for match in _EMAIL.finditer(text):
            yield *match.span(), f"{self._handle(match.group())}@example.org"
        for match in _HANDLE.finditer(text):
            yield *match.span(), f"@{self._handle(match.group())}"
        for start, stop in _ibans(text):
            yield start, stop, f"{text[start : start + 2].upper()}00 {self._digits('iban', text[start:stop], 16)}"
        for match in _NUMBER.finditer(text):
            if not _DATE.fullmatch(match.group().strip()):
                yield *match.span(), self._number(match.group())
        for match in self._pattern.finditer(text) if self._pattern else ():
            old, new = match.group(), self._names[match.group().casefold()]
            yield *match.span(), new.upper() if old.isupper() else new.lower() if old.islower() else new

    def _name(self, name: str, kind: Kind) -> str:
        choices = names_of(kind)
        for attempt in range(len(choices)):
            number = int(self._digest(f"name {kind} {attempt}", name.casefold())[:12], 16)
            if (chosen := choices[number % len(choices)]).casefold() not in self._taken:
                return chosen
        return "Someone"

    def _handle(self, original: str) -> str:
        digest = self._digest("handle", original.casefold())
        names = names_of("female")
        return f"{names[int(digest[:12], 16) % len(names)].lower()}{int(digest[12:16], 16) % 1000}"

    def _number(self, original: str) -> str:
        """Return a number that is given to nobody (555-0100 to 555-0199), the same for every spelling of one number."""
        digits = self._digits("number", _same_number(original, self._region), 4)
        return f"+1-{200 + int(digits[:2]) % 90}-555-01{digits[2:]}"

    def _digits(self, kind: str, original: str, count: int) -> str:
        return str(int(self._digest(kind, original), 16))[-count:]

    def _digest(self, kind: str, original: str) -> str:
        return hmac.new(self._key, f"{kind}\0{original}".encode("utf-8", "surrogatepass"), hashlib.sha256).hexdigest()


def _same_number(original: str, region: str | None) -> str:
    try:
        return str(
            phonenumbers.format_number(phonenumbers.parse(original, region), phonenumbers.PhoneNumberFormat.E164)
        )
    except phonenumbers.NumberParseException:
        return "".join(filter(str.isdigit, original))


def _ibans(text: str) -> Iterator[tuple[int, int]]:
    """Yield where a number with an IBAN's checksum (ISO 13616, modulo 97) begins and ends."""
    start = 0
    while match := _IBAN.search(text, start):
        stop = next(
            (stop for stop in range(match.end(), match.start() + 14, -1) if _is_iban(text, match.start(), stop)), 0
        )
        if stop:
            yield match.start(), stop
        # What begins inside something that is no IBAN may still be one.
        start = stop or match.start() + 1


def _is_iban(text: str, start: int, stop: int) -> bool:
    compact = re.sub(r"[ .-]", "", text[start:stop]).upper()
    return len(compact) >= 15 and text[stop - 1].isalnum() and _has_checksum(compact)


@lru_cache(maxsize=1024)
def _has_checksum(compact: str) -> bool:
    rotated = compact[4:] + compact[:4]
    return compact.isascii() and int("".join(str(int(char, 36)) for char in rotated)) % 97 == 1
