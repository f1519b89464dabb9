"""The learned part of the crisis screen: how much a message resembles messages that people labelled high or imminent.

A linear model over `features.py`, whose weights lie in `learned.npz`, and a small sentence encoder (encoder.py),
weighed together as that file says for the language; both were fitted to labelled lines by `attune-train safety-screen`.
Deterministic, offline, without a model server, in time linear in the text. A sentence like none that it was shown may
pass. It never raises once its weights are read.
"""

from __future__ import annotations

import hashlib
import json
import math
import re
import zlib
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.resources import files
from io import BytesIO
from pathlib import Path
from typing import Any, get_args

import numpy as np
from numpy.typing import NDArray

from assistant.safety.canonical import canonical
from assistant.safety.encoder import FILE as ENCODER_FILE
from assistant.safety.encoder import Encoder, glossed, read_encoder
from assistant.safety.features import CATEGORIES, Block, features, language_of
from memory.once import once

FILE = "learned.npz"
BLOCKS: tuple[Block, ...] = get_args(Block)
WINDOW_CHARS = 280
"""A longer message is also read in stretches of about so many characters, that one sentence in a page may count."""
LONG_MARGIN = 1.0
"""Of several stretches one must weigh so much more, in log odds: there are more chances to be wrong."""
SHORT_MARGIN = 0.3
SHORT_TOKENS = 9
"""A message of so few tokens says little, and must weigh more by `SHORT_MARGIN`."""
CONCERN_MARGIN = 1.1
"""So much more must a message weigh of which rules say that it is concern: most such lines are no more than that."""
MOST = 0.7
"""Words weigh no more than this, so that the encoder has a say in every message."""
HARMLESS = -0.2
"""A message whose words weigh less is not raised by the encoder alone."""
READ_STRETCHES = 6
"""Of several stretches the encoder reads so many: those that weigh most by words. It takes milliseconds for each."""
STACKS = ("en", "latin", "cjk")
"""Groups of languages that the two parts are weighed for."""
_SENTENCE_CHARS = 560
"""A sentence without an end is cut after so many characters."""
_SENTENCE = re.compile(r"[^.!?;|\n\r\u2026。！？；]+[.!?;|\n\r\u2026。！？；]*")
DAMPING: Mapping[Block, float] = {"characters": 60.0, "words": 20.0, "concepts": 12.0}
"""Length that every text is taken to have besides its own: a few letters say little."""


@dataclass(frozen=True, slots=True)
class Learned:
    """What the model makes of one message."""

    score: float
    """From -1 (as harmless lines) to 1 (as lines labelled high or imminent)."""
    imminent: bool
    """Whether it resembles imminent lines more than high ones."""
    category: str
    """The category it resembles most."""
    language: str = "en"
    """Whose concepts were looked up; `other` where there are none."""


@dataclass(frozen=True, slots=True)
class Weights:
    """The fitted model; arrays of one row per feature, in the order of `hashes`."""

    hashes: NDArray[np.uint32]
    """CRC-32 of the features, ascending; no words are kept."""
    inverse: NDArray[np.float32]
    """How rare each is among the lines."""
    risk: NDArray[np.float32]
    heads: NDArray[np.float32]
    """One row per head: imminent, then the categories."""
    bias: NDArray[np.float32]
    """Of risk, then of each head."""
    unseen: float
    """How rare a feature is taken to be that no line had."""
    scales: Mapping[str, float]
    """How much each block counts."""
    manifest: Mapping[str, Any]

    @property
    def high(self) -> float:
        """From this score on a message is high."""
        return float(self.manifest["thresholds"]["high"])

    @property
    def concern(self) -> float:
        """From this score on a message is at least concern."""
        return float(self.manifest["thresholds"]["concern"])

    @property
    def clear(self) -> float:
        """Below this score a rule that is not firm makes no more than concern."""
        return float(self.manifest["thresholds"]["clear"])


def read_weights(content: bytes) -> Weights:
    """Read a weights file; raises ValueError or KeyError where it is not one."""
    with np.load(BytesIO(content), allow_pickle=False) as data:
        manifest = json.loads(bytes(data["manifest"]).decode("utf-8"))
        size = np.asarray(data["sizes"], np.float32)
        return Weights(
            hashes=np.cumsum(data["steps"], dtype=np.uint32),
            inverse=np.asarray(data["inverse"], np.float32),
            risk=data["risk"].astype(np.float32) * size[0],
            heads=data["heads"].astype(np.float32) * size[1:, None],
            bias=np.asarray(data["bias"], np.float32),
            unseen=float(data["unseen"]),
            scales=manifest["scales"],
            manifest=manifest,
        )


@once
def weights() -> Weights:
    """Read the weights that are shipped, once."""
    return read_weights(files("assistant.safety").joinpath(FILE).read_bytes())


@once
def encoder() -> Encoder:
    """Read the encoder that is shipped, once.

    Raises:
        ValueError, KeyError, OSError: it cannot be read, or was not fitted together with the weights.
    """
    content = files("assistant.safety").joinpath(ENCODER_FILE).read_bytes()
    if hashlib.sha256(content).hexdigest() != weights().manifest["encoder_sha256"]:
        raise ValueError(f"{ENCODER_FILE} and {FILE} are not of one fit")
    return read_encoder(content)


def weights_path() -> Path:
    """Where the shipped weights lie."""
    return Path(str(files("assistant.safety").joinpath(FILE)))


def judge(
    message: str,
    clues: Sequence[str] = (),
    known: Weights | None = None,
    reader: Encoder | None = None,
    *,
    least: float | None = None,
) -> Learned:
    """Weigh `message`, of which the rules found `clues`; the stretch of it that weighs most counts.

    Of scores below `least` nothing more than that is wanted, so that what words alone keep below it is not read: most
    messages are not, and cost a third. None wants every score.

    Raises:
        ValueError, KeyError, OSError: the weights of either part cannot be read.
    """
    known, reader = known or weights(), reader or encoder()
    language = language_of(message)
    stretches = [(text, canonical(text)) for text in windows(message)]
    added = _of_clues(clues, known)
    weighed = [
        (_weighed(text, language, known) + added, glossed(stretch, text, language))
        for stretch, text in stretches
        if text
    ]
    if not weighed:
        return Learned(-1.0, False, CATEGORIES[0])
    weighed.sort(key=lambda one: -float(one[0][0]))
    wanted = weighed[:READ_STRETCHES]
    if least is not None and least > HARMLESS:
        wanted = [one for one in wanted if float(one[0][0]) >= HARMLESS]
    if not wanted:
        return Learned(HARMLESS, False, CATEGORIES[0], language)
    stack = known.manifest["stack"][stack_of(language)]
    found = [
        (
            stacked(stack, float(values[0]), float(read[0]), margin_of(len(ids), clues, len(weighed))),
            values + np.tanh(read / 2),
        )
        for values, stretch in wanted
        for ids in reader.pieces(stretch)[:READ_STRETCHES]
        for read in (reader.read(ids),)
    ]
    score, resembled = max(found, key=lambda one: one[0])
    return Learned(score, bool(resembled[1] > 0), CATEGORIES[int(np.argmax(resembled[2:]))], language)


def stack_of(language: str) -> str:
    """Return which of `STACKS` weighs a message in `language`."""
    return "en" if language == "en" else "cjk" if language in ("zh", "ja") else "latin"


def margin_of(tokens: int, clues: Sequence[str], stretches: int = 1) -> float:
    """Return how much more, in log odds, a message must weigh than one of usual length without a rule."""
    levels = {clue.split()[1] for clue in clues}
    return (
        (SHORT_MARGIN if tokens <= SHORT_TOKENS else 0.0)
        + (LONG_MARGIN if stretches > 1 else 0.0)
        + (CONCERN_MARGIN if levels == {"concern"} else 0.0)
    )


def stacked(stack: Sequence[float], linear: float, read: float, margin: float = 0.0) -> float:
    """Return the score of what the two parts found, less `margin` in log odds."""
    score = math.tanh((stack[0] * min(linear, MOST) + stack[1] * read + stack[2] - margin) / 2)
    return min(score, HARMLESS) if linear < HARMLESS else score


def windows(text: str) -> list[str]:
    """Return `text` whole where it is short, else its sentences in overlapping stretches."""
    if len(text) <= WINDOW_CHARS:
        return [text]
    parts = [
        part[start : start + _SENTENCE_CHARS].strip()
        for part in _SENTENCE.findall(text)
        for start in range(0, len(part), _SENTENCE_CHARS)
    ]
    found: list[str] = []
    current: list[str] = []
    for part in parts:
        if current and sum(map(len, current)) + len(part) > WINDOW_CHARS:
            found.append(" ".join(current))
            current = current[-1:] if len(current[-1]) <= WINDOW_CHARS // 2 else []
        current.append(part)
    if current:
        found.append(" ".join(current))
    return found or [text]


def fingerprint(feature: str) -> int:
    """The number that stands for a feature."""
    return zlib.crc32(feature.encode("utf-8", "surrogatepass"))


def block_values(block: Block, found: Sequence[str], inverse: Mapping[int, float], unseen: float) -> dict[int, float]:
    """Return the value of each feature of one block: damped count times rarity, of at most unit length together."""
    values = {
        key: (1 + math.log(count)) * inverse.get(key, unseen) for key, count in Counter(map(fingerprint, found)).items()
    }
    length = math.sqrt(DAMPING[block] ** 2 + sum(value * value for value in values.values()))
    return {key: value / length for key, value in values.items()}


def _weighed(text: str, language: str, known: Weights) -> NDArray[np.float32]:
    """Return risk, imminent and the categories for canonical `text`."""
    total = known.bias.copy()
    for block, found in features(text, language).items():
        if not found:
            continue
        counts = Counter(map(fingerprint, found))
        keys = np.fromiter(counts.keys(), np.uint32, len(counts))
        damped = 1 + np.log(np.fromiter(counts.values(), np.float32, len(counts)))
        rows = np.minimum(np.searchsorted(known.hashes, keys), len(known.hashes) - 1)
        seen = known.hashes[rows] == keys
        values = damped * np.where(seen, known.inverse[rows], known.unseen)
        values *= known.scales[block] / math.sqrt(DAMPING[block] ** 2 + float(np.sum(values * values)))
        rows, values = rows[seen], values[seen]
        total[0] += known.risk[rows] @ values
        total[1:] += known.heads[:, rows] @ values
    return total


def _of_clues(clues: Sequence[str], known: Weights) -> NDArray[np.float32]:
    """Return what the rules' clues add to each output."""
    total = np.zeros_like(known.bias)
    for clue in clues:
        row = int(np.searchsorted(known.hashes, np.uint32(fingerprint(clue))))
        if row < len(known.hashes) and known.hashes[row] == fingerprint(clue):
            total[0] += known.risk[row] * known.scales["clues"]
            total[1:] += known.heads[:, row] * known.scales["clues"]
    return total
