"""The kind of fact that a label of a memory stands for: a kind's own name, or `Family/Name` of AlpsBench."""

from __future__ import annotations

from collections.abc import Mapping

from memory.types import Kind

_KINDS: Mapping[str, Kind] = {
    **{kind.value: kind for kind in Kind},
    "Personal_Background": Kind.BACKGROUND,
    "Personal_Background/Identity": Kind.IDENTITY,
    "States_Experiences": Kind.STATE,
    "States_Experiences/Experience": Kind.EXPERIENCE,
    "Preferences": Kind.PREFERENCE,
    "Interaction_Preferences": Kind.PREFERENCE,
    "Thoughts": Kind.OPINION,
    "Plans": Kind.GOAL,
    "Social_Relationships": Kind.RELATIONSHIP,
    "Constraints_and_Boundaries": Kind.BOUNDARY,
    "Possessions": Kind.POSSESSION,
}


def kind_of(label: object) -> Kind:
    """Return the kind that a label stands for; `other` for one that is not known."""
    name = label if isinstance(label, str) else ""
    return _KINDS.get(name) or _KINDS.get(name.split("/")[0]) or Kind.OTHER
