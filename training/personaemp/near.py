"""Which of many texts say nearly the same: MinHash over character 4-grams, in a scratch SQLite file.

Two texts are near-duplicates when their sets of 4-grams, of text without case and punctuation, have a Jaccard
similarity of at least `ALIKE`; candidates come from 16 bands of 4 hashes (found with a probability of 98 % at .7 and
of 99.98 % at .8), and each is compared exactly. Works in any script and holds no text in memory. It knows no meaning:
two wordings of one wish differ. datasketch does the same but keeps its bands in memory or in a server.
"""

from __future__ import annotations

import sqlite3
import unicodedata
import zlib
from collections.abc import Iterator
from contextlib import closing, contextmanager

import numpy as np

ALIKE = 0.7

_GRAM = 4
_BANDS, _PER_BAND = 16, 4
_SALT = np.random.default_rng(20260606)
_MULTIPLY = _SALT.integers(1, 2**63, size=_BANDS * _PER_BAND, dtype=np.uint64) | np.uint64(1)
_ADD = _SALT.integers(0, 2**63, size=_BANDS * _PER_BAND, dtype=np.uint64)


class NearTexts:
    """Texts by a key of the caller's, and those that are nearly the same as a new one."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    @classmethod
    @contextmanager
    def open(cls) -> Iterator[NearTexts]:
        """Open an empty index, in a file that is gone afterwards."""
        with closing(sqlite3.connect("", isolation_level=None)) as connection:
            connection.executescript(
                "PRAGMA journal_mode=OFF; PRAGMA synchronous=OFF; PRAGMA cache_size=-4096;"
                "CREATE TABLE texts (id INTEGER PRIMARY KEY, key TEXT NOT NULL, text TEXT NOT NULL);"
                "CREATE TABLE bands (band INTEGER, text_id INTEGER, PRIMARY KEY (band, text_id)) WITHOUT ROWID;"
                "BEGIN"
            )
            yield cls(connection)

    def add(self, key: str, text: str) -> None:
        """Put a text under a key; a key may hold many."""
        folded = fold(text)
        added = self._connection.execute("INSERT INTO texts (key, text) VALUES (?, ?)", (key, folded))
        rows = [(band, added.lastrowid) for band in _bands(_grams(folded))]
        self._connection.executemany("INSERT OR IGNORE INTO bands VALUES (?, ?)", rows)

    def like(self, text: str) -> Iterator[tuple[str, float]]:
        """Yield the key of each text that is nearly the same, and how much alike they are."""
        folded = fold(text)
        grams = _grams(folded)
        bands = _bands(grams)
        query = f"SELECT DISTINCT text_id FROM bands WHERE band IN ({','.join('?' * len(bands))})"
        for (id,) in self._connection.execute(query, bands).fetchall():
            key, other = self._connection.execute("SELECT key, text FROM texts WHERE id = ?", (id,)).fetchone()
            alike = 1.0 if other == folded else _jaccard(grams, _grams(other))
            if alike >= ALIKE:
                yield key, alike


def similarity(one: str, other: str) -> float:
    """Return how much alike two texts are, from 0 to 1."""
    return _jaccard(_grams(fold(one)), _grams(fold(other)))


def fold(text: str) -> str:
    """Return the text without case, punctuation and superfluous space."""
    kept = (" " if unicodedata.category(char)[0] in "PZCS" else char for char in unicodedata.normalize("NFKC", text))
    return " ".join("".join(kept).casefold().split())


def _grams(folded: str) -> set[str]:
    return {folded[start : start + _GRAM] for start in range(max(1, len(folded) - _GRAM + 1))}


def _jaccard(one: set[str], other: set[str]) -> float:
    return len(one & other) / len(one | other)


def _bands(grams: set[str]) -> list[int]:
    """Return a hash of each band of the MinHash signature; bands of different places never collide."""
    hashes = np.fromiter((zlib.crc32(gram.encode("utf-8", "surrogatepass")) for gram in grams), dtype=np.uint64)
    mixed = (hashes[:, None] * _MULTIPLY[None, :] + _ADD[None, :]) >> np.uint64(32)
    signature = mixed.min(axis=0).astype(np.uint32).reshape(_BANDS, _PER_BAND)
    return [(zlib.crc32(row.tobytes()) << 5) | place for place, row in enumerate(signature)]
