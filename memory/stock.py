"""Mem0 as it is: imported late, configured, made once, and its failures said with where and what to do.

Together with memory.embedded and memory.chroma_server all that imports mem0 or chromadb, on first use.
"""

from __future__ import annotations

import copy
import importlib
import logging
import os
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

from memory.errors import IndexUnavailableError

T = TypeVar("T")

COLLECTION = "facts"
REPAIR = "Repair: attune doctor --rebuild-index"
_MODULES = ("mem0", "mem0.vector_stores.chroma", "mem0.llms.vllm", "mem0.embeddings.openai")
_NO_SERVER = "http://127.0.0.1:9/v1"
"""Mem0 builds a language-model client at once; this one is never called, and could not reach anything."""


class Stock:
    """Makes `mem0.Memory`. Its language-model client costs 20 ms and is never used, so it is made once."""

    def __init__(self, home: Path) -> None:
        self._home = home
        self._lock = threading.Lock()
        self._first: Any = None

    def load(self) -> None:
        """Import Mem0 and Chroma; blocks."""
        with self._lock:
            # Mem0 reads these when it is imported.
            os.environ["MEM0_TELEMETRY"] = "False"
            os.environ["MEM0_DIR"] = str(self._home / "mem0")
            logging.getLogger("mem0").setLevel(logging.CRITICAL)  # it logs people's words
            for module in _MODULES:
                importlib.import_module(module)

    def memory(self, config: Mapping[str, Any]) -> Any:
        """Return a Mem0 of this configuration; blocks, the first time for seconds of imports."""
        self.load()
        from mem0 import Memory
        from mem0.configs.base import MemoryConfig as Mem0Config
        from mem0.memory.storage import SQLiteManager
        from mem0.vector_stores.chroma import ChromaDB

        made = Mem0Config(**config)
        with self._lock:
            if self._first is None:
                self._first = Memory(made)
                return self._first
        memory = copy.copy(self._first)
        memory.config = made
        memory.vector_store = ChromaDB(**made.vector_store.config.model_dump())
        memory.db = SQLiteManager(made.history_db_path)
        return memory


def configuration(vector_store: Mapping[str, Any], history: str) -> dict[str, Any]:
    """Mem0's configuration over a Chroma, with an embedder and a language model that do nothing."""
    return {
        "vector_store": {"provider": "chroma", "config": dict(vector_store)},
        "history_db_path": history,
        "llm": {"provider": "vllm", "config": {"model": "none", "api_key": "none", "vllm_base_url": _NO_SERVER}},
        "embedder": {
            "provider": "openai",
            "config": {"model": "none", "api_key": "none", "openai_base_url": _NO_SERVER},
        },
    }


def guarded(where: object, call: Callable[[], T]) -> T:
    """Call, and say where and what to do when Mem0, Chroma or the file system fails."""
    try:
        return call()
    except Exception as error:
        raise unavailable(where, error) from error
    except BaseException as error:
        # Chroma's Rust core panics with a BaseException of its own on some damaged files.
        if type(error).__name__ == "PanicException":
            raise unavailable(where, error) from error
        raise


def unavailable(where: object, error: BaseException) -> IndexUnavailableError:
    """Return the error that says so."""
    return IndexUnavailableError(f"the index in {where} cannot be used: {error}. {REPAIR}")
