"""Supervised teaching of a tiny random model, before GRPO: `python -m training.learning.teach TAUGHT FILE --seed N`.

FILE holds lessons (`training.learning.lessons` says what they are and what they do not contain), one JSON object a
line with `messages` and `answer`, and is read once from its top. Plain torch; runs in verl's environment. The same
file and seed give the same weights on the same machine.
"""

from __future__ import annotations

import json
import sys
import time
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from training.learning.lessons import vocabulary
from training.learning.world import load_world
from training.tiny import make_tiny_qwen3

BATCH = 32
LEARNING_RATE = 2e-3
_SAID_EVERY = 25
_UNTAUGHT = -100
"""What torch's cross entropy passes over."""


def teach(directory: Path, lessons: list[dict[str, Any]], seed: int) -> float:
    """Write a model that was taught `lessons` into `directory`; return the last batch's loss."""
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    torch.manual_seed(seed)
    torch.set_num_threads(1)
    make_tiny_qwen3(directory, seed=seed, corpus=[" ".join(vocabulary(load_world()))])
    tokenizer = AutoTokenizer.from_pretrained(directory)
    model = AutoModelForCausalLM.from_pretrained(directory, dtype=torch.float32)
    optimizer = torch.optim.AdamW(model.parameters(), lr=LEARNING_RATE)
    batches, started, loss = len(lessons) // BATCH, time.monotonic(), torch.tensor(0.0)
    for number in range(batches):
        batch = _batch(tokenizer, lessons[number * BATCH : (number + 1) * BATCH])
        loss = model(**batch).loss
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        if (number + 1) % _SAID_EVERY == 0:
            passed = time.monotonic() - started
            left = passed / (number + 1) * (batches - number - 1)
            _say(f"lesson {number + 1}/{batches}: loss {loss.item():.3f}, {passed:.0f} s, {left:.0f} s left")
    model.save_pretrained(directory)
    return float(loss.item())


def _batch(tokenizer: Any, lessons: list[dict[str, Any]]) -> dict[str, Any]:
    """Return prompts and answers, padded on the left; only the answers are to be learned."""
    import torch

    rows = []
    for lesson in lessons:
        text = tokenizer.apply_chat_template(lesson["messages"], tokenize=False, add_generation_prompt=True)
        given = tokenizer(text, add_special_tokens=False)["input_ids"]
        taught = tokenizer(lesson["answer"] + tokenizer.eos_token, add_special_tokens=False)["input_ids"]
        rows.append((given, taught))
    longest = max(len(given) + len(taught) for given, taught in rows)
    pads = [longest - len(given) - len(taught) for given, taught in rows]
    filled = list(zip(rows, pads, strict=True))
    return {
        "input_ids": torch.tensor([[tokenizer.pad_token_id] * pad + given + taught for (given, taught), pad in filled]),
        "attention_mask": torch.tensor([[0] * pad + [1] * (longest - pad) for pad in pads]),
        "labels": torch.tensor([[_UNTAUGHT] * (pad + len(given)) + taught for (given, taught), pad in filled]),
    }


def _say(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def main() -> None:
    """Read the command line and teach."""
    parser = ArgumentParser(description="Teach a tiny random model the lessons of a file.")
    parser.add_argument("directory", type=Path, help="where the taught model goes")
    parser.add_argument("lessons", type=Path, help="one lesson a line: messages and answer")
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    lessons = [json.loads(line) for line in given.lessons.read_text(encoding="utf-8").splitlines()]
    loss = teach(given.directory, lessons, given.seed)
    _say(f"taught {len(lessons)} lessons into {given.directory}; the last loss is {loss:.3f}")


if __name__ == "__main__":
    main()
