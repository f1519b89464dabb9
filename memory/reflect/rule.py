"""One rule of offline reflection."""

from __future__ import annotations

import re
from dataclasses import dataclass

from memory.types import Kind


@dataclass(frozen=True, slots=True)
class Rule:
    """A statement with this pattern is a fact of this kind."""

    kind: Kind
    pattern: re.Pattern[str]
    confidence: float
