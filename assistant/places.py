"""Countries and locales that exist, by the Unicode project's data (CLDR)."""

from __future__ import annotations

from functools import cache

from babel import Locale
from babel.core import UnknownLocaleError, get_global

_NO_COUNTRY = frozenset({"EU", "EZ", "QO", "UN", "XA", "XB", "ZZ"})
"""Two letters in CLDR that name a union, a region or nothing at all."""


def country(code: str) -> str:
    """Return an ISO 3166-1 alpha-2 code as it is written; a code that only one country had becomes that country's.

    Raises:
        ValueError: there is no such country.
    """
    wanted = code.strip().upper()
    successors = get_global("territory_aliases").get(wanted, ())
    if len(successors) == 1:
        wanted = successors[0]
    if wanted not in _countries():
        raise ValueError("no country has this code: use ISO 3166-1 alpha-2, such as AT")
    return wanted


def locale(tag: str) -> str:
    """Return a locale as it is written, such as `de-AT`.

    Raises:
        ValueError: there is no such locale.
    """
    problem = "no locale has this name: use a language and perhaps a country, such as de-AT"
    parts = tag.strip().replace("_", "-").split("-")
    try:
        known = Locale.parse("-".join(parts), sep="-")
    except (ValueError, UnknownLocaleError) as error:
        raise ValueError(problem) from error
    regions = [part.upper() for part in parts[1:] if len(part) == 2]
    if regions and known.territory not in regions:
        raise ValueError(problem)  # Babel puts the likeliest region in place of one that does not exist.
    return str(known).replace("_", "-")


@cache
def _countries() -> frozenset[str]:
    codes = map(str, Locale("en").territories)
    return frozenset(code for code in codes if len(code) == 2 and code.isalpha()) - _NO_COUNTRY
