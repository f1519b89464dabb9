"""What can be known of an address without HTTP, and the way to a client that costs the first frame nothing."""

from __future__ import annotations

import asyncio
import importlib
import re
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from tui.client import Client

_LOOPBACK = re.compile(r"^(localhost|127(\.\d+){3}|::1)$")


def is_loopback(url: str) -> bool:
    """Whether the address is on this machine."""
    return bool(_LOOPBACK.match(urlsplit(url).hostname or ""))


async def open_client(url: str, key: str | None) -> Client:
    """Prepare a client; nothing is sent yet. HTTP and the wire format are imported in a thread.

    Raises:
        ClientError: the address or the key cannot be used.
    """
    await asyncio.to_thread(importlib.import_module, "tui.client")
    from tui.client import Client

    return Client.open(url, key)
