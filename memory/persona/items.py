"""The 120 public-domain items of the IPIP-NEO-120, as frozen values.

Source: International Personality Item Pool (public domain); selection: Johnson (2014). The everyday wordings beside
each item are ours. The order is that of the questionnaire.
"""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Literal

from memory.types import Trait


@dataclass(frozen=True, slots=True)
class Item:
    """One statement of the questionnaire."""

    id: str
    """Trait letter, facet number, and place within the facet: `N1.1`."""
    text: str
    """Without its subject: "Worry about things"."""
    trait: Trait
    facet: str
    key: Literal[-1, 1]
    """-1 where agreeing speaks for a low trait."""
    like: tuple[str, ...]
    """How somebody for whom it is true might say so."""
    unlike: tuple[str, ...]
    """How somebody for whom it is false might say so."""

    @property
    def statement(self) -> str:
        """The item in the first person: "I worry about things"."""
        return f"I {self.text[0].lower()}{self.text[1:]}"


@cache
def items() -> tuple[Item, ...]:
    """Return the 120 items in the order of the questionnaire."""
    rows = tomllib.loads(files("memory.persona").joinpath("ipip.toml").read_text(encoding="utf-8"))["item"]
    return tuple(
        Item(
            id=row["id"],
            text=row["text"],
            trait=Trait(row["trait"]),
            facet=row["facet"],
            key=1 if row["key"] > 0 else -1,
            like=tuple(row["like"]),
            unlike=tuple(row["unlike"]),
        )
        for row in rows
    )
