"""The index on a Chroma server that several processes share: one collection per person.

Nothing is kept open between two uses, because another process may replace a collection at any time. Forgetting deletes
rows or the collection; what the server's own files still hold nobody can prove, and the receipt says so. Ownership
stays with the ledger: the server knows no people. One ledger per server and prefix: collections of people whom the
ledger does not know are removed.
"""

from __future__ import annotations

import copy
import tempfile
import threading
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from memory.config import IndexConfig
from memory.ids import is_id
from memory.secret import secret
from memory.stock import Stock, configuration
from memory.store import Entry, Rows, ServerStore

TOKEN = "ATTUNE_CHROMA_TOKEN"
"""Variable of the environment with the token that a proxy before the server asks for, or with _FILE
behind it the file that holds it; sent as a bearer token."""
_PAGE = 500
_PORTS = {"http": 80, "https": 443}


class ChromaServer:
    """The collections of one prefix on a server."""

    shared = True

    def __init__(self, home: Path, config: IndexConfig) -> None:
        assert config.chroma_url is not None
        self._home = home
        self._url = config.chroma_url
        self._timeout_s = config.timeout_s
        self._prefix = f"{config.prefix}-"
        self._stock = Stock(home)
        self._lock = threading.Lock()
        self._connected: Any = None
        self._template: Any = None
        self.load = self._stock.load

    def prepare(self) -> None:
        """Do nothing: a server that is down is said by the first use, and chat goes on without it."""

    def close(self) -> None:
        """Close the connection."""
        if self._connected is not None:
            for session in _sessions(self._connected):
                session.close()  # Chroma leaves its connections to the garbage collector
            self._connected.close()

    def where(self, person_id: str) -> str:
        """Return the collection of a person."""
        return f"{self._prefix}{person_id} on {self._url}"

    def people(self) -> set[str]:
        """Return the ids of the people who have a collection."""
        names: list[str] = []
        while page := self._client().list_collections(limit=_PAGE, offset=len(names)):
            names += [collection.name for collection in page]
        ours = (name.removeprefix(self._prefix) for name in names if name.startswith(self._prefix))
        return {name for name in ours if is_id(name)}

    def exists(self, person_id: str) -> bool:
        """Say whether a person has a collection."""
        client = self._client()
        from chromadb.errors import NotFoundError

        try:
            client.get_collection(self._prefix + person_id, embedding_function=None)
        except NotFoundError:
            return False
        return True

    def open(self, person_id: str) -> ServerStore:
        """Open a person's collection, creating it when need be."""
        client = self._client()
        from mem0.memory.storage import SQLiteManager
        from mem0.vector_stores.chroma import ChromaDB

        memory = copy.copy(self._template)
        memory.vector_store = ChromaDB(self._prefix + person_id, client=client)
        memory.db = SQLiteManager(":memory:")
        return ServerStore(self._home / "none", person_id, memory)

    def replace(
        self, person_id: str, identity: Mapping[str, Any] | None, kept: Rows | None, new: Sequence[Entry]
    ) -> None:
        """Put a new collection in the place of what is there; single rows are exchanged in the store."""
        self.remove(person_id)
        store = self.open(person_id)
        try:
            if kept:
                store.write(kept)
            if identity:
                store.note(identity)
            store.add(new)
        finally:
            store.close()

    def remove(self, person_id: str) -> None:
        """Delete a person's collection."""
        client = self._client()
        from chromadb.errors import NotFoundError

        with suppress(NotFoundError):
            client.delete_collection(self._prefix + person_id)

    def stock_config(self, person_id: str) -> dict[str, Any]:
        """Return the configuration of a stock Mem0 on a person's collection."""
        parts = urlsplit(self._url)
        server = {"host": parts.hostname, "port": parts.port or _PORTS[parts.scheme]}
        return configuration({"collection_name": self._prefix + person_id, **server}, ":memory:")

    def _client(self) -> Any:
        """Connect when need be; a failure is tried again at the next use."""
        self.load()
        with self._lock:
            if self._connected is None:
                self._connected = self._connect()
            if self._template is None:
                # Mem0 opens a store at once; this empty one is never used.
                with tempfile.TemporaryDirectory(prefix="attune-mem0-") as place:
                    store = {"collection_name": "none", "path": place}
                    self._template = self._stock.memory(configuration(store, ":memory:"))
                    self._template.vector_store.client.close()
            return self._connected

    def _connect(self) -> Any:
        import chromadb
        from chromadb.config import Settings

        parts, token = urlsplit(self._url), secret(TOKEN)
        client = chromadb.HttpClient(
            host=parts.hostname or "",
            port=parts.port or _PORTS[parts.scheme],
            ssl=parts.scheme == "https",
            headers={"Authorization": f"Bearer {token}"} if token else None,
            settings=Settings(anonymized_telemetry=False),
        )
        # Chroma waits without end and has no setting for it: a server that hangs would take our threads with it.
        for session in _sessions(client):
            session.timeout = self._timeout_s
        return client


def _sessions(client: Any) -> tuple[Any, ...]:
    """The connections of a client: its own, and that of the administration it opens beside it."""
    return client._server._session, client._admin_client._server._session
