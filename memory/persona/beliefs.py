"""What is believed of each person, kept between turns and brought up to date with what the ledger has new.

A person's belief costs the same to bring up to date however much they ever said: only evidence that came since is read.
When something was forgotten the belief is built again from what is left. It holds no quotes, so that nothing forgotten
lingers here; several processes may each keep their own.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass, field, replace
from datetime import datetime

from memory.ledger.ledger import Ledger
from memory.persona.posterior import Posterior
from memory.persona.profile import believed
from memory.types import Evidence, Persona, TraitEvidence

KEPT = 512
"""People whose belief is kept; that of another is built again when they come back."""


@dataclass(slots=True)
class _Known:
    posterior: Posterior = field(default_factory=Posterior)
    count: int = 0
    newest: int = 0
    """The number of the newest evidence in the ledger."""


class Beliefs:
    """The beliefs about the people of one ledger."""

    def __init__(self, ledger: Ledger, kept: int = KEPT) -> None:
        self._ledger = ledger
        self._kept = kept
        self._known: OrderedDict[str, _Known] = OrderedDict()

    async def persona(self, person_id: str, now: datetime) -> Persona:
        """Return what is believed of a person at `now`; the same as `profile.persona` of all their evidence."""
        known = await self._current(person_id)
        frozen = await self._ledger.trait_controls.frozen(person_id)
        return believed(known.posterior, now, frozen=frozen)

    async def _current(self, person_id: str) -> _Known:
        known = self._known.get(person_id) or _Known()
        after = known.newest
        count, newest, fresh = await self._ledger.traits.since(person_id, after)
        if known.newest != after or count != known.count + len(fresh):
            known = _Known()
            count, newest, fresh = await self._ledger.traits.since(person_id, 0)
        for piece in fresh:
            known.posterior.add(_unquoted(piece))
        known.count, known.newest = count, newest
        self._known[person_id] = known
        self._known.move_to_end(person_id)
        if len(self._known) > self._kept:
            self._known.popitem(last=False)
        return known


def _unquoted(piece: TraitEvidence) -> TraitEvidence:
    return replace(piece, evidence=Evidence(piece.evidence.message_id, ""))
