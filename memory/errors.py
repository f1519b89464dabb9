"""Errors of the memory package, named for the boundary that was crossed."""


class MemoryLayerError(Exception):
    """Base of every error this package raises on purpose."""


class LedgerError(MemoryLayerError):
    """The ledger could not be opened, read or written."""


class NotFoundError(MemoryLayerError):
    """Nothing of that id belongs to this person; also said of what belongs to somebody else."""

    def __init__(self, noun: str, id: str) -> None:
        self.noun = noun
        self.id = id
        super().__init__(f"no {noun} {id!r}")


class ConflictError(MemoryLayerError):
    """The change contradicts what is already stored."""


class DataDirectoryLockedError(MemoryLayerError):
    """Another process owns the data directory."""


class EmbedderError(MemoryLayerError):
    """The embedding model is missing, damaged, or not the one the index was built with."""


class IndexUnavailableError(MemoryLayerError):
    """Mem0 or Chroma could not be read or written."""


class ReflectionError(MemoryLayerError):
    """Reflection failed for a batch; nothing of it was stored, and it is retried or visible as failed."""


class ImportFileError(MemoryLayerError):
    """A file to import is not what it should be; the message names the line."""


class SecretError(MemoryLayerError):
    """A file that should hold a secret cannot be used."""
