"""A Transformers model that is loaded, and one generation with it. Blocking: it belongs to one thread.

Importing this module loads torch and transformers. Thinking sections are removed here, before a word leaves the thread.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch
from transformers import AutoModelForCausalLM, AutoTokenizer, StoppingCriteriaList

from assistant.errors import ModelRefusedError, ModelUnreachableError
from assistant.models.dialogue import FALLBACK_STOPS, plain, templated
from assistant.models.door import ChatMessage, Finished, Sampling
from assistant.models.stops import StopFilter
from assistant.models.thinking import ThinkingFilter

_UNDECODED = "\ufffd"
_LONGEST_CHARACTER = 8
"""Tokens; what is no character after so many never becomes one."""


class Engine:
    """Tokenizer and weights of one model."""

    def __init__(self, tokenizer: Any, model: Any, name: str) -> None:
        self._tokenizer = tokenizer
        self._model = model
        self._name = name
        self.context = getattr(model.config.get_text_config(), "max_position_embeddings", None)

    @classmethod
    def load(cls, directory: Path, name: str) -> Engine:
        """Load a model from its directory, onto the GPU where there is one.

        Raises:
            ModelRefusedError: the files are not a language model that Transformers can run.
            ModelUnreachableError: there is not enough memory.
        """
        device = "cuda" if torch.cuda.is_available() else "cpu"
        try:
            tokenizer = AutoTokenizer.from_pretrained(directory, local_files_only=True)
            # On the CPU half precision is slower than float32, and not available everywhere.
            dtype = "auto" if device == "cuda" else torch.float32
            model = AutoModelForCausalLM.from_pretrained(directory, local_files_only=True, dtype=dtype)
            model = model.to(device).eval()
        except (MemoryError, torch.OutOfMemoryError) as error:
            raise ModelUnreachableError(f"{name!r} does not fit into the memory of this machine") from error
        except Exception as error:
            raise ModelRefusedError(
                f"{name!r} at {directory} is no language model that Transformers can load ({type(error).__name__})"
            ) from error
        if "<|channel|>" in tokenizer.get_vocab():
            # Its channels would run into one another in decoded text, thoughts included.
            raise ModelRefusedError(f"{name!r} speaks in channels; serve it with vLLM and set base_url")
        return cls(tokenizer, model, name)

    def generate(
        self,
        messages: Sequence[ChatMessage],
        sampling: Sampling,
        *,
        thinking: bool,
        emit: Callable[[str], None],
        stopped: threading.Event,
    ) -> Finished:
        """Generate one reply, giving its visible pieces to `emit` until it ends or `stopped` is set.

        Raises:
            ModelRefusedError: the prompt does not fit the model's context.
        """
        text, stops = self._render(messages, sampling, thinking)
        special = self._tokenizer.chat_template is None
        inputs = self._tokenizer(text, return_tensors="pt", add_special_tokens=special).to(self._model.device)
        length = int(inputs["input_ids"].shape[1])
        room = sampling.max_tokens if self.context is None else min(sampling.max_tokens, self.context - length)
        if room < 1:
            raise ModelRefusedError(
                f"the prompt has {length} tokens and {self._name!r} takes {self.context}; lower context_tokens"
            )
        pieces = _Pieces(self._tokenizer, self._ends, stops, emit, inside=text.rstrip().endswith("<think>"))

        def is_over(ids: Any, _scores: Any, **_: Any) -> Any:
            over = stopped.is_set() or pieces.stopped
            return torch.full((ids.shape[0],), over, device=ids.device, dtype=torch.bool)

        # Sampling uses torch's global generator; a seed must not leak into anything else drawn from it.
        devices = [self._model.device] if self._model.device.type == "cuda" else []
        with torch.random.fork_rng(devices=devices, enabled=sampling.seed is not None), torch.inference_mode():
            if sampling.seed is not None:
                torch.manual_seed(sampling.seed)
            self._model.generate(
                input_ids=inputs["input_ids"],
                attention_mask=inputs["attention_mask"],
                **self._drawing(sampling),
                max_new_tokens=room,
                streamer=pieces,
                stopping_criteria=StoppingCriteriaList([is_over]),
                pad_token_id=self._pad,
            )
        reason = "length" if pieces.count >= room and not pieces.stopped and not pieces.ended else "stop"
        return Finished(reason, length, pieces.count)

    def _render(self, messages: Sequence[ChatMessage], sampling: Sampling, thinking: bool) -> tuple[str, Sequence[str]]:
        if self._tokenizer.chat_template is None:
            return plain(messages), (*sampling.stop, *FALLBACK_STOPS)

        def render(chat: Sequence[ChatMessage]) -> str:
            return str(
                self._tokenizer.apply_chat_template(
                    list(chat), tokenize=False, add_generation_prompt=True, enable_thinking=thinking
                )
            )

        return templated(messages, render), sampling.stop

    @property
    def _ends(self) -> frozenset[int]:
        ends = self._model.generation_config.eos_token_id
        return frozenset(ends if isinstance(ends, list) else [] if ends is None else [ends])

    @property
    def _pad(self) -> int | None:
        pad: int | None = self._tokenizer.pad_token_id
        end: int | None = self._tokenizer.eos_token_id
        return end if pad is None else pad

    @staticmethod
    def _drawing(sampling: Sampling) -> dict[str, Any]:
        """Return how tokens are drawn; without a temperature the model's own defaults apply."""
        if sampling.temperature == 0:
            return {"do_sample": False, "temperature": None, "top_p": None, "top_k": None}
        drawing: dict[str, Any] = {}
        if sampling.temperature is not None:
            drawing |= {"do_sample": True, "temperature": sampling.temperature}
        if sampling.top_p is not None:
            drawing |= {"do_sample": True, "top_p": sampling.top_p}
        return drawing


class _Pieces:
    """Decodes tokens as they come, in the form of a Transformers streamer, and passes on what may be shown.

    A character is passed on once all its tokens are there. Only the last few tokens are decoded each time, with the
    ones before them as context, because a tokenizer may write a token differently at the beginning of a text.
    """

    def __init__(
        self, tokenizer: Any, ends: frozenset[int], stops: Sequence[str], emit: Callable[[str], None], *, inside: bool
    ) -> None:
        self._tokenizer = tokenizer
        self._ends = ends
        self._emit = emit
        self._hiding = ThinkingFilter(inside=inside)
        self._stop = StopFilter(stops)
        self._ids: list[int] = []
        self._context = 0
        self._read = 0
        self._in_prompt = True

    @property
    def stopped(self) -> bool:
        """Whether a stop string was met."""
        return self._stop.stopped

    @property
    def count(self) -> int:
        """How many tokens were generated."""
        return len(self._ids)

    @property
    def ended(self) -> bool:
        """Whether the model itself ended its reply."""
        return bool(self._ids) and self._ids[-1] in self._ends

    def put(self, tokens: Any) -> None:
        """Take the next tokens; the first call brings the prompt."""
        if self._in_prompt:
            self._in_prompt = False
            return
        self._ids += tokens.reshape(-1).tolist()
        before, now = self._decode(self._ids[self._context : self._read]), self._decode(self._ids[self._context :])
        broken = now.endswith(_UNDECODED) and len(self._ids) - self._read <= _LONGEST_CHARACTER
        if len(now) > len(before) and not broken:
            self._context, self._read = self._read, len(self._ids)
            self._pass_on(self._stop.feed(self._hiding.feed(now[len(before) :])))

    def end(self) -> None:
        """Take the end of the reply."""
        before, now = self._decode(self._ids[self._context : self._read]), self._decode(self._ids[self._context :])
        rest = self._hiding.feed(now[len(before) :]) + self._hiding.finish()
        self._pass_on(self._stop.feed(rest) + self._stop.finish())

    def _decode(self, ids: list[int]) -> str:
        return str(self._tokenizer.decode(ids, skip_special_tokens=True, clean_up_tokenization_spaces=False))

    def _pass_on(self, text: str) -> None:
        if text:
            self._emit(text)
