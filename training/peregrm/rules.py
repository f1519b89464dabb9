"""What a ruler must keep to: weights that sum to 100, nothing twice, and no reward for merely bringing up a memory.

The last is caught where it shows in the wording: verbs of recall that are not negated, or a memory's own words. What
rewards recall in other words passes here; the prompt that criteria are written by forbids it too.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from training.example import CriteriaSet

_RECALL = re.compile(
    r"\b(?:mention|recall|referenc|cit|quot|name|list|repeat|restat|recit|bring(?:s|ing)? up|call(?:s|ing)? back"
    r"|refer(?:s|ring)? (?:back )?to|demonstrat\w* (?:knowledge|memory)|show\w* (?:that )?it remembers?|remember)"
    r"(?:s|e|es|ed|ing)?\b",
    re.IGNORECASE,
)
_NEGATED = re.compile(
    r"\b(?:not|never|without|avoid\w*|refrain\w*|no need to|instead of|rather than)\b[^.;,]*$", re.IGNORECASE
)
_RECALL_HAN = re.compile(r"(?:提到|提及|引用|复述|回忆起|说出|列出)")
_NEGATED_HAN = re.compile(r"(?:不|避免|而非|无需|没有)[^，。；]{0,8}$")
_RUN = 5
"""So many of a memory's words in a row are a quotation."""
_SUM_MAY_MISS_BY = 1.0


def fault(ruler: CriteriaSet, memories: Sequence[str]) -> str:
    """Return which rule a ruler breaks, in words; empty when it breaks none."""
    total = sum(criterion.weight for criterion in ruler.criteria)
    if abs(total - 100) > _SUM_MAY_MISS_BY:
        return f"its weights sum to {total:g} instead of 100"
    texts = [" ".join(criterion.text.lower().split()) for criterion in ruler.criteria]
    if len(set(texts)) < len(texts):
        return "it says one criterion twice"
    for criterion in ruler.criteria:
        if rewards_recall(criterion.text, memories):
            return "a criterion could be met by merely bringing up what is known about the person"
    return ""


def rewards_recall(criterion: str, memories: Sequence[str] = ()) -> bool:
    """Whether the wording of a criterion asks for a memory to be said back."""
    for pattern, negated in ((_RECALL, _NEGATED), (_RECALL_HAN, _NEGATED_HAN)):
        if any(not negated.search(criterion[: match.start()]) for match in pattern.finditer(criterion)):
            return True
    said = _runs(criterion)
    return any(said & _runs(memory) for memory in memories)


def _runs(text: str) -> set[tuple[str, ...]]:
    words = re.findall(r"\w+", text.lower())
    return {tuple(words[at : at + _RUN]) for at in range(len(words) - _RUN + 1)}
