"""The few things that are known of somebody whatever they write: who they are, what they do, who is close to them.

Recall goes by the message, and a message about something else calls up neither a name nor what somebody lives with.
These facts fill what recall left of its token budget, up to a stated part of it, so they never take the place of a
fact that belongs to the message, and none of them says again what was called up. Only what the person said, wrote or
confirmed and what holds now may stand here. Pure: serving and training give it the same facts and get the same.

Kinds come in turn, the best of each before the second of any, so that no kind fills all the room:

- `identity`, `background`, `relationship`: two of each, `boundary`: one. These last by their nature.
- `state`: one, once it was said in two messages; what is passing is not said again.

Of a kind, what was said in most messages comes first, then the surest, then the newest.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence

from memory.config import RecallConfig
from memory.lexical import content_words
from memory.selection import rests_on
from memory.tokens import estimate_tokens
from memory.types import Fact, Kind, RecalledFact

SHORTLIST = 8
"""So many facts of a kind are weighed, the surest and then the newest: with each message that says it, one is surer."""
_ROUNDS: tuple[tuple[Kind, ...], ...] = (
    (Kind.IDENTITY, Kind.BACKGROUND, Kind.RELATIONSHIP, Kind.BOUNDARY, Kind.STATE),
    (Kind.IDENTITY, Kind.BACKGROUND, Kind.RELATIONSHIP),
)
KINDS = _ROUNDS[0]
"""What a profile is made of."""
_LASTING_PROOFS = 2
"""A state that was said in so many messages is taken to last."""


def profile(
    known: Sequence[Fact],
    recalled: Sequence[RecalledFact],
    excluded: Collection[str],
    budget: int,
    config: RecallConfig,
) -> tuple[Fact, ...]:
    """Return what is always known, best first, as far as there is room beside what was `recalled`.

    Args:
        known: facts of one person; those of other kinds and those that may not stand here are passed over.
        recalled: what the message called up.
        excluded: messages whose words are in the prompt already; facts that rest on nothing else are left out.
        budget: of the whole recall, in tokens.
        config: what part of the budget is the profile's, and how many facts.
    """
    spent = sum(estimate_tokens(found.fact.text) for found in recalled)
    room = min(int(config.profile_share * budget), budget - spent)
    said = {_sense(found.fact.text) for found in recalled}
    new = [fact for fact in known if _sense(fact.text) not in said and not rests_on(fact, frozenset(excluded))]
    chosen: list[Fact] = []
    for fact in _in_turn(new):
        cost, sense = estimate_tokens(fact.text), _sense(fact.text)
        if len(chosen) == config.profile_limit:
            break
        if cost <= room and sense not in said:
            room -= cost
            said.add(sense)
            chosen.append(fact)
    return tuple(chosen)


def _in_turn(known: Sequence[Fact]) -> Iterator[Fact]:
    """Yield the facts that may stand in a profile, round by round."""
    of_kind = {kind: _best([fact for fact in known if fact.kind is kind]) for kind in KINDS}
    for number, kinds in enumerate(_ROUNDS):
        for kind in kinds:
            yield from of_kind[kind][number : number + 1]


def _best(facts: Sequence[Fact]) -> list[Fact]:
    lasting = [fact for fact in facts if fact.status == "active" and not fact.unconfirmed]
    surest = sorted(lasting, key=lambda fact: (fact.confidence, fact.id), reverse=True)[:SHORTLIST]
    proven = [fact for fact in surest if fact.kind is not Kind.STATE or _proofs(fact) >= _LASTING_PROOFS]
    return sorted(proven, key=lambda fact: (-_proofs(fact), -fact.confidence))


def _proofs(fact: Fact) -> int:
    """Return in how many messages it was said; what the person wrote down by hand counts as said."""
    return max(1, len({evidence.message_id for evidence in fact.evidence}))


def _sense(text: str) -> frozenset[str]:
    """Return what tells whether two facts say the same: their telling words, or all of it where none tells."""
    return frozenset(content_words(text)) or frozenset({text})
