"""Counting what the yearly safety report tells, without ever standing in the way of an answer."""

from __future__ import annotations

import logging
from datetime import datetime

from memory.errors import MemoryLayerError
from memory.ledger.ledger import Ledger
from memory.ledger.safety_counts import SafetyEvent
from memory.types import CrisisLevel

log = logging.getLogger(__name__)


async def tally(ledger: Ledger, event: SafetyEvent, level: CrisisLevel, at: datetime) -> None:
    """Count one event; a count that fails is logged and keeps nobody from an answer."""
    try:
        await ledger.safety_counts.add(event, level, at)
    except MemoryLayerError as error:
        log.error("a safety event was not counted: %s", error)
