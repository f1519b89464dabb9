"""The part of `torch.cuda` that verl calls, answered for the CPU.

verl asks its platform for a module and calls it as it would call `torch.cuda`. `torch.cpu` has half of those functions;
the other half is here. Symptom without it: `module 'torch.cpu' has no attribute 'empty_cache'`, and its like.
"""

from __future__ import annotations

import os
import resource
from pathlib import Path
from typing import Any

import torch
from torch.cpu import Event, Stream, current_stream, is_available, set_device, stream, synchronize

__all__ = [
    "Event",
    "Stream",
    "current_device",
    "current_stream",
    "device_count",
    "empty_cache",
    "get_device_name",
    "get_rng_state",
    "ipc_collect",
    "is_available",
    "max_memory_allocated",
    "max_memory_reserved",
    "mem_get_info",
    "memory_allocated",
    "memory_reserved",
    "set_device",
    "set_per_process_memory_fraction",
    "set_rng_state",
    "stream",
    "synchronize",
]


def device_count() -> int:
    """One: all cores together are the device."""
    return 1


def current_device() -> str:
    """The only device, by the name that `.to()` understands; a number would mean an accelerator to torch."""
    return "cpu"


def get_device_name(*_: Any) -> str:
    """What logs call it."""
    return "cpu"


def get_rng_state(*_: Any) -> torch.Tensor:
    """The CPU's random state; checkpoints hold it."""
    return torch.get_rng_state()


def set_rng_state(state: torch.Tensor, *_: Any) -> None:
    """Restore what `get_rng_state` returned."""
    torch.set_rng_state(state)


def memory_allocated(*_: Any) -> int:
    """Bytes this process holds in memory; the CPU has no allocator of its own to ask."""
    return int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1]) * os.sysconf("SC_PAGE_SIZE")


def max_memory_allocated(*_: Any) -> int:
    """The most bytes this process has held."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


memory_reserved = memory_allocated
max_memory_reserved = max_memory_allocated


def mem_get_info(*_: Any) -> tuple[int, int]:
    """Free and total bytes of the machine."""
    page = os.sysconf("SC_PAGE_SIZE")
    return os.sysconf("SC_AVPHYS_PAGES") * page, os.sysconf("SC_PHYS_PAGES") * page


def empty_cache() -> None:
    """Nothing to return: torch frees memory of the CPU at once."""


def ipc_collect() -> None:
    """Nothing to collect: there are no device handles."""


def set_per_process_memory_fraction(*_: Any) -> None:
    """Nothing to limit."""
