"""Where a model server is, and whether what is sent there leaves this machine."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass
from urllib.parse import urlsplit

from assistant.errors import ConfigError


@dataclass(frozen=True, slots=True)
class ServerAddress:
    """The base URL of an OpenAI-compatible server."""

    base_url: str
    """Without a slash at its end and without credentials."""
    host: str
    place: str
    """Host and port, as written."""

    @classmethod
    def parse(cls, base_url: str, *, role: str = "policy") -> ServerAddress:
        """Read an address from the configuration.

        Raises:
            ConfigError: it is not an http or https URL, or it holds a password.
        """
        try:
            parts = urlsplit(base_url.strip())
            host, place = parts.hostname, parts.netloc
            _ = parts.port
        except ValueError:
            host, place, parts = None, "", urlsplit("")
        if parts.scheme not in ("http", "https") or not host:
            raise ConfigError(f"{role}.base_url is not an address; write it like http://127.0.0.1:8000/v1")
        if "@" in place:
            raise ConfigError(
                f"{role}.base_url holds a name or password; put the key into ATTUNE_{role.upper()}__API_KEY"
            )
        return cls(base_url.strip().rstrip("/"), host, place)

    @property
    def is_loopback(self) -> bool:
        """Whether the server runs on this machine."""
        if self.host == "localhost":
            return True
        try:
            return ipaddress.ip_address(self.host).is_loopback
        except ValueError:
            return False


def runs_in_cloud(model: str) -> bool:
    """Whether a model name says that a local server passes the text on (Ollama's cloud models)."""
    return model.endswith(("-cloud", ":cloud"))
