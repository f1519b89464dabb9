"""Fine-tunes the sentence encoder of the crisis screen: low-rank adapters on its upper layers, and a small head.

The encoder is the bundled MiniLM; its own weights stay as they are, and so do its embeddings and lowest layers, whose
output is computed once. The same lines, settings and machine give the same adapters. Takes torch, unlike
`assistant/safety/encoder.py`, which reads what is written here.
"""

from __future__ import annotations

import json
import math
import multiprocessing
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn import functional

from assistant.safety.encoder import HEADS, model_directory, pieces
from memory.minilm import Base, read_base, read_tokenizer
from training.progress import Progress

Say = Callable[[str], None]
Steps = Callable[[int, int], None]
Arrays = Mapping[str, NDArray[np.float32]]
Examples = Mapping[int, tuple[Sequence[float], float]]
"""What lines teach, by number: one target per head, 0 or 1, and how much the line counts."""
_SCORED_AT_ONCE = 64
_SORTED_AT_ONCE = 64
"""Batches that are sorted by length among themselves: what is padded costs as much as what is not."""


@dataclass(frozen=True, slots=True)
class Tuning:
    """How the encoder is fine-tuned."""

    rank: int = 16
    """Of the adapters."""
    frozen: int = 2
    """Layers, from the lowest, that stay as they are."""
    epochs: int = 2
    batch: int = 32
    rate: float = 1e-3
    """Highest learning rate; it rises over the first steps and falls to nothing."""
    warm_up: float = 0.06
    """Share of the steps over which it rises."""
    decay: float = 0.01
    dropout: float = 0.1
    smoothing: float = 0.03
    """How far targets stand off 0 and 1: labels are one reader's."""
    imminent: float = 0.3
    """How much the imminent head counts beside risk."""
    category: float = 0.15
    """How much each category's head counts."""
    seed: int = 7


class Tuned(torch.nn.Module):  # type: ignore[misc]
    """The encoder's upper layers with adapters, and the head."""

    def __init__(self, base: Base, settings: Tuning) -> None:
        super().__init__()
        self._settings = settings
        self.heads = base.heads
        self.frozen: list[dict[str, torch.Tensor]] = []
        self.adapters = torch.nn.ParameterDict()
        draw = torch.Generator().manual_seed(settings.seed)
        for number, layer in enumerate(base.layers):
            self.frozen.append({name: torch.from_numpy(np.array(value)) for name, value in layer.items()})
            if number < settings.frozen:
                continue
            for name in ("qkv", "out", "up", "down"):
                wide, narrow = layer[f"{name}_weight"].shape
                down = torch.randn(settings.rank, narrow, generator=draw) / math.sqrt(narrow)
                self.adapters[f"{number}_{name}_a"] = torch.nn.Parameter(down)
                self.adapters[f"{number}_{name}_b"] = torch.nn.Parameter(torch.zeros(wide, settings.rank))
        self.head = torch.nn.Linear(base.width, len(HEADS))
        torch.nn.init.normal_(self.head.weight, std=0.02, generator=draw)
        torch.nn.init.zeros_(self.head.bias)

    def lower(self, hidden: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        """Return the output of the layers that stay as they are."""
        for number in range(self._settings.frozen):
            hidden = self._layer(number, hidden, mask)
        return hidden

    def forward(self, hidden: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        """Return one value per head, from the output of the lower layers."""
        for number in range(self._settings.frozen, len(self.frozen)):
            hidden = self._layer(number, hidden, mask)
        shares = mask.unsqueeze(-1).to(hidden.dtype)
        pooled = (hidden * shares).sum(1) / shares.sum(1)
        found: torch.Tensor = self.head(self._dropped(pooled))
        return found

    def _layer(self, number: int, hidden: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        layer = self.frozen[number]
        rows, length, width = hidden.shape
        qkv = self._linear(number, "qkv", hidden).view(rows, length, 3, self.heads, width // self.heads)
        query, key, value = qkv.permute(2, 0, 3, 1, 4)
        mixed = functional.scaled_dot_product_attention(query, key, value, attn_mask=mask[:, None, None, :])
        mixed = self._dropped(self._linear(number, "out", mixed.transpose(1, 2).reshape(rows, length, width)))
        hidden = functional.layer_norm(hidden + mixed, (width,), layer["norm1_weight"], layer["norm1_bias"], 1e-12)
        inner = functional.gelu(self._linear(number, "up", hidden))
        inner = self._dropped(self._linear(number, "down", inner))
        return functional.layer_norm(hidden + inner, (width,), layer["norm2_weight"], layer["norm2_bias"], 1e-12)

    def _linear(self, number: int, name: str, given: torch.Tensor) -> torch.Tensor:
        layer = self.frozen[number]
        found = functional.linear(given, layer[f"{name}_weight"], layer[f"{name}_bias"])
        if number < self._settings.frozen:
            return found
        down, up = self.adapters[f"{number}_{name}_a"], self.adapters[f"{number}_{name}_b"]
        return found + functional.linear(functional.linear(given, down), up)

    def _dropped(self, values: torch.Tensor) -> torch.Tensor:
        return functional.dropout(values, self._settings.dropout, self.training)

    def arrays(self) -> dict[str, NDArray[np.float32]]:
        """Return adapters and head, by the names that `assistant/safety/encoder.py` knows."""
        found = {name: value.detach().numpy().copy() for name, value in self.adapters.items()}
        head = {"head_weight": self.head.weight, "head_bias": self.head.bias}
        return found | {name: value.detach().numpy().copy() for name, value in head.items()}


class Lower:
    """The output of the lower layers for every text, computed once and kept in half precision in a file."""

    def __init__(self, path: Path) -> None:
        self.lengths = np.load(path / "lengths.npy")
        self._ends = np.cumsum(self.lengths)
        self._kept = np.load(path / "lower.npy", mmap_mode="r")

    def batch(self, chosen: NDArray[np.intp]) -> tuple[torch.Tensor, torch.Tensor]:
        """Return the padded output for some texts, and which places are no padding."""
        mask = _mask(self.lengths[chosen])
        hidden = torch.zeros(*mask.shape, self._kept.shape[1])
        for row, index in enumerate(chosen):
            length, end = self.lengths[index], self._ends[index]
            hidden[row, :length] = torch.from_numpy(self._kept[end - length : end].astype(np.float32))
        return hidden, mask


def write_lower(path: Path, texts: Sequence[Sequence[int]], settings: Tuning, steps: Steps) -> None:
    """Compute what `Lower` reads, for texts given as tokens."""
    base = read_base(model_directory())
    model = Tuned(base, settings).eval()
    lengths = np.array([len(ids) for ids in texts])
    ends = np.cumsum(lengths)
    kept = np.zeros((int(ends[-1]), base.width), np.float16)
    order = np.argsort(lengths, kind="stable")
    for start in range(0, len(order), _SCORED_AT_ONCE):
        chosen = order[start : start + _SCORED_AT_ONCE]
        mask = _mask(lengths[chosen])
        hidden = torch.zeros(*mask.shape, base.width)
        for row, index in enumerate(chosen):
            hidden[row, : lengths[index]] = torch.from_numpy(base.embedded(texts[index]))
        with torch.no_grad():
            hidden = model.lower(hidden, mask)
        for row, index in enumerate(chosen):
            kept[ends[index] - lengths[index] : ends[index]] = hidden[row, : lengths[index]].numpy()
        steps(min(start + _SCORED_AT_ONCE, len(order)), len(order))
    np.save(path / "lengths.npy", lengths)
    np.save(path / "lower.npy", kept)


def tokens(texts: Sequence[str]) -> list[list[int]]:
    """Return the tokens of each text, as far as the encoder reads them at once."""
    tokenizer = read_tokenizer(model_directory())
    return [pieces(tokenizer, text)[0] for text in texts]


def tuned_in_turn(
    texts: Sequence[Sequence[int]], examples: Examples, fold: NDArray[np.intp], settings: Tuning, workers: int, say: Say
) -> tuple[NDArray[np.float64], Arrays]:
    """Fine-tune on texts given as tokens, without each fold and with all, `workers` at a time.

    Returns:
        The risk of each text by the encoder that saw nothing of its fold, and the adapters of the one that saw all.
    """
    folds = sorted(set(fold.tolist()))
    say(f"encoder: {len(folds)} runs without a fold, one with all, of {len(examples):,} lines at most")
    with tempfile.TemporaryDirectory() as name:
        path = Path(name)
        write_lower(path, texts, settings, Progress("lines, lower layers"))
        every = np.arange(len(texts))
        runs = [_Run(path, "all lines", examples, every[:0], settings)]
        for each in folds:
            others = {row: example for row, example in examples.items() if fold[row] != each}
            runs.append(_Run(path, f"without fold {each + 1}", others, every[fold == each], settings))
        if workers == 1:
            found = [run() for run in runs]
        else:
            with ProcessPoolExecutor(workers, multiprocessing.get_context("spawn")) as pool:
                found = [future.result() for future in [pool.submit(run) for run in runs]]
    scores = np.zeros(len(texts))
    for each, (own, _) in zip(folds, found[1:], strict=True):
        scores[fold == each] = own
    return scores, found[0][1]


@dataclass(frozen=True, slots=True)
class _Run:
    """One fine-tuning, which another process may do."""

    path: Path
    name: str
    examples: Examples
    judged: NDArray[np.intp]
    settings: Tuning

    def __call__(self) -> tuple[NDArray[np.float64], Arrays]:
        threads = torch.get_num_threads()
        torch.set_num_threads(1)
        try:
            lower = Lower(self.path)
            model = tune(lower, self.examples, self.settings, Progress(f"steps, encoder {self.name}"))
            return scores(model, lower, self.judged)[:, 0], model.arrays()
        finally:
            torch.set_num_threads(threads)


def tune(lower: Lower, examples: Examples, settings: Tuning, steps: Steps) -> Tuned:
    """Fine-tune on the texts that `examples` names by number; both sides of risk weigh the same in all."""
    torch.manual_seed(settings.seed)
    model = Tuned(read_base(model_directory()), settings)
    model.train()
    rows = np.array(sorted(examples))
    wanted = np.array([examples[int(row)][0] for row in rows])
    risky = wanted[:, 0] > 0
    weights = np.array([examples[int(row)][1] for row in rows])
    weights *= np.where(risky, 0.5 / max(float(np.mean(risky)), 1e-9), 0.5 / max(float(np.mean(~risky)), 1e-9))
    targets = torch.from_numpy(wanted * (1 - 2 * settings.smoothing) + settings.smoothing).to(torch.float32)
    heads = torch.tensor([1.0, settings.imminent, *[settings.category] * (len(HEADS) - 2)])
    counts = torch.from_numpy(weights).to(torch.float32)
    optimizer = torch.optim.AdamW(model.parameters(), lr=settings.rate, weight_decay=settings.decay)
    draw = np.random.default_rng(settings.seed)
    total = settings.epochs * math.ceil(len(rows) / settings.batch)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: _rate(step, total, settings))
    done = 0
    for _ in range(settings.epochs):
        for chosen in _batches(lower.lengths[rows], settings.batch, draw):
            with torch.autocast("cpu", torch.bfloat16):
                values = model(*lower.batch(rows[chosen]))
            each = functional.binary_cross_entropy_with_logits(values.float(), targets[chosen], reduction="none")
            loss = (each * heads).sum(1) @ counts[chosen] / len(chosen)
            optimizer.zero_grad()
            loss.backward()
            torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimizer.step()
            schedule.step()
            done += 1
            steps(done, total)
    model.eval()
    return model


def packed(arrays: Arrays, manifest: Mapping[str, Any]) -> bytes:
    """Return the file of adapters, in half precision."""
    buffer = BytesIO()
    told = np.frombuffer(json.dumps(manifest, sort_keys=True).encode(), np.uint8)
    half = {name: values.astype(np.float16) for name, values in sorted(arrays.items())}
    np.savez_compressed(buffer, allow_pickle=False, manifest=told, **half)
    return buffer.getvalue()


def scores(model: Tuned, lower: Lower, chosen: NDArray[np.intp]) -> NDArray[np.float64]:
    """Return one row of values per text, one per head."""
    found = np.zeros((len(chosen), len(HEADS)))
    order = np.argsort(lower.lengths[chosen], kind="stable")
    for start in range(0, len(order), _SCORED_AT_ONCE):
        part = order[start : start + _SCORED_AT_ONCE]
        with torch.no_grad():
            found[part] = model(*lower.batch(chosen[part])).numpy()
    return found


def _mask(lengths: NDArray[Any]) -> torch.Tensor:
    return torch.arange(int(lengths.max()))[None, :] < torch.from_numpy(lengths)[:, None]


def _rate(step: int, steps: int, settings: Tuning) -> float:
    rising = max(1.0, steps * settings.warm_up)
    return min((step + 1) / rising, max(0.0, (steps - step) / max(1.0, steps - rising)))


def _batches(lengths: NDArray[Any], size: int, draw: np.random.Generator) -> Iterator[NDArray[np.intp]]:
    """Yield batches of texts of about equal length, in an order drawn by chance."""
    order = draw.permutation(len(lengths))
    found: list[NDArray[np.intp]] = []
    for start in range(0, len(order), size * _SORTED_AT_ONCE):
        part = order[start : start + size * _SORTED_AT_ONCE]
        part = part[np.argsort(lengths[part], kind="stable")]
        found += [part[begin : begin + size] for begin in range(0, len(part), size)]
    for position in draw.permutation(len(found)):
        yield found[position]
