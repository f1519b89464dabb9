"""Opaque ids made by the server: they sort by creation and cannot be guessed.

An id is a prefix, an underscore and 26 characters of lower-case base 32: 50 bits of time in steps of four microseconds
(enough until the year 2112), strictly increasing within a process, then 80 random bits. Across processes the order is
that of their clocks; where order matters the ledger keeps a sequence of its own.
"""

from __future__ import annotations

import hashlib
import re
import secrets
import threading
import time

_ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"
_TICK_NS = 4_000
_TICK_CHARS = 10
_PATTERN = re.compile(rf"[a-z]{{2,8}}_[{_ALPHABET}]{{26}}")
_lock = threading.Lock()
_last_tick = 0


def new_id(prefix: str) -> str:
    """Make a new id such as `msg_1h2k…`; `prefix` is two to eight lower-case letters."""
    global _last_tick
    with _lock:
        _last_tick = max(_last_tick + 1, time.time_ns() // _TICK_NS)
        tick = _last_tick
    bits = (tick << 80) | secrets.randbits(80)
    return f"{prefix}_" + "".join(_ALPHABET[(bits >> shift) & 31] for shift in range(125, -1, -5))


def derived_id(prefix: str, *parts: str) -> str:
    """Make the id that always follows from `parts`, of which one must be unguessable; it does not sort by creation."""
    digest = hashlib.sha256("\0".join(parts).encode("utf-8", "surrogatepass")).digest()
    bits = int.from_bytes(digest) >> (256 - 130)
    return f"{prefix}_" + "".join(_ALPHABET[(bits >> shift) & 31] for shift in range(125, -1, -5))


def moved_id(id: str, person_id: str) -> str:
    """Make the id that a thing of another installation has as this person's: always the same, sorting as before."""
    prefix, _, rest = id.partition("_")
    return f"{prefix}_{rest[:_TICK_CHARS]}{derived_id(prefix, person_id, id)[len(prefix) + 1 + _TICK_CHARS :]}"


def is_id(value: str, prefix: str | None = None) -> bool:
    """Say whether `value` has the form of an id of ours, of the kind `prefix` if one is given."""
    return _PATTERN.fullmatch(value) is not None and (prefix is None or value.startswith(f"{prefix}_"))
