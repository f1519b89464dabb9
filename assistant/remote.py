"""The backend that already runs on this data directory, for commands that must go through it."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from assistant.errors import AttuneError, error_from
from assistant.owner import owner_key

FILE = "backend.json"
_BUSY_S = 15.0
"""One that is gone refuses at once; one that is busy must not be taken for gone."""


@dataclass(frozen=True, slots=True)
class Remote:
    """A running backend and the key of its local owner; an empty one opens what needs none."""

    url: str
    key: str

    def client(self, timeout_s: float | None = None) -> httpx.Client:
        """Open a client that carries the key; waits without end by default, because imports take their time."""
        headers = {"authorization": f"Bearer {self.key}"} if self.key else {}
        return httpx.Client(base_url=self.url, headers=headers, timeout=timeout_s, trust_env=False)

    def steps(
        self, path: str, content: Iterable[bytes] | None = None, headers: Mapping[str, str] | None = None
    ) -> Iterator[dict[str, Any]]:
        """POST and yield the JSON lines of the answer as they come.

        Raises:
            AttuneError: what the backend answered instead, or that it went away.
        """
        try:
            with self.client() as client, client.stream("POST", path, content=content, headers=headers) as response:
                if response.status_code >= 400:
                    response.read()
                    raise envelope_error(response)
                for line in response.iter_lines():
                    step: dict[str, Any] = json.loads(line)
                    if step.get("type") == "error":
                        raise AttuneError(str(step["message"]))
                    yield step
        except httpx.HTTPError as error:
            raise AttuneError(f"the backend at {self.url} went away: {error}. Run the command again") from error


def envelope_error(response: httpx.Response) -> AttuneError:
    """The error that an error response carries."""
    try:
        body = response.json()["error"]
        return error_from(body["code"], body["message"])
    except (ValueError, KeyError, TypeError):
        return AttuneError(f"the backend answered {response.status_code}")


def find(home: Path) -> Remote | None:
    """Return the backend that runs on `home`, or None when none answers."""
    url = running(home)
    key = owner_key(home)
    return Remote(url, key) if url and key else None


def running(home: Path) -> str | None:
    """Return where the backend answers that runs on `home`, or None when none does; this needs no key."""
    try:
        url = str(json.loads((home / FILE).read_text(encoding="utf-8"))["url"])
        alive = httpx.get(f"{url}/healthz", timeout=_BUSY_S, trust_env=False).status_code == 200
    except (OSError, ValueError, KeyError, httpx.HTTPError):
        return None
    return url if alive else None


@contextmanager
def announced(home: Path, url: str) -> Iterator[None]:
    """Write down where this process answers, for as long as it does."""
    path, draft = home / FILE, home / f".{FILE}.{os.getpid()}"
    draft.write_text(json.dumps({"url": url, "pid": os.getpid()}), encoding="utf-8")
    draft.replace(path)
    try:
        yield
    finally:
        path.unlink(missing_ok=True)
