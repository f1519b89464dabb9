"""Any Sentence Transformers model, run by torch on the processor; importing this module imports neither."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

_LONGEST = 256
"""Tokens looked at of a text whose words are asked for."""


class TorchModel:
    """A model from its directory; reading it takes seconds."""

    def __init__(self, directory: Path, threads: int) -> None:
        import torch
        from sentence_transformers import SentenceTransformer
        from transformers.utils import logging as transformers_logging

        torch.set_num_threads(threads)
        transformers_logging.disable_progress_bar()
        self._model = SentenceTransformer(str(directory), device="cpu", local_files_only=True)
        # A tokenizer keeps the padding of its last call, and the model's own is in use in another thread.
        self._tokenizer = copy.deepcopy(self._model.tokenizer)

    @property
    def dimension(self) -> int:
        """Of its vectors."""
        return int(self._model.get_embedding_dimension())

    def encode(self, texts: Sequence[str], batch_size: int) -> NDArray[np.float32]:
        """Return one unit vector per text; texts of one batch are padded to the longest."""
        vectors = self._model.encode(
            list(texts),
            batch_size=batch_size,
            normalize_embeddings=True,
            convert_to_numpy=True,
            show_progress_bar=False,
        )
        return np.asarray(vectors, dtype=np.float32)

    def length(self, text: str) -> int:
        """Return how many tokens are read of a text."""
        return len(self._tokenizer(text, truncation=True, max_length=self._model.max_seq_length)["input_ids"])

    def pieces(self, text: str) -> list[tuple[int | None, str]]:
        """Return the first tokens of a text, each with the number of the word it is of."""
        encoded = self._tokenizer(text, add_special_tokens=False, truncation=True, max_length=_LONGEST)
        tokens = self._tokenizer.convert_ids_to_tokens(encoded["input_ids"])
        return list(zip(encoded.word_ids(), tokens, strict=True))
