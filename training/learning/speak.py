"""Replies of a model to prompts: `python -m training.learning.speak MODEL PROMPTS REPLIES --samples N --seed N`.

PROMPTS holds one JSON list of messages a line; REPLIES gets one JSON list of `--samples` replies for each, drawn at
temperature 1, as in training. Runs in verl's environment; the same seed gives the same replies on the same machine.
"""

from __future__ import annotations

import json
import sys
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

_AT_ONCE = 32
MAX_TOKENS = 24


def speak(model: Path, prompts: list[list[dict[str, Any]]], samples: int, seed: int) -> list[list[str]]:
    """Return `samples` replies to each prompt."""
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    torch.manual_seed(seed)
    torch.set_num_threads(1)
    tokenizer = AutoTokenizer.from_pretrained(model, padding_side="left")
    policy = AutoModelForCausalLM.from_pretrained(model, dtype=torch.float32)
    replies: list[list[str]] = []
    for first in range(0, len(prompts), _AT_ONCE):
        texts = [
            tokenizer.apply_chat_template(one, tokenize=False, add_generation_prompt=True)
            for one in prompts[first : first + _AT_ONCE]
        ]
        asked = tokenizer(texts, return_tensors="pt", padding=True, add_special_tokens=False)
        with torch.no_grad():
            # Every way of narrowing the distribution is off: what is measured is the policy that was trained.
            written = policy.generate(
                input_ids=asked["input_ids"],
                attention_mask=asked["attention_mask"],
                do_sample=True,
                temperature=1.0,
                top_k=0,
                top_p=1.0,
                max_new_tokens=MAX_TOKENS,
                num_return_sequences=samples,
                pad_token_id=tokenizer.pad_token_id,
                eos_token_id=tokenizer.eos_token_id,
            )
        said = tokenizer.batch_decode(written[:, asked["input_ids"].shape[1] :], skip_special_tokens=True)
        replies += [said[place : place + samples] for place in range(0, len(said), samples)]
    return replies


def main() -> None:
    """Read the command line and speak."""
    parser = ArgumentParser(description="Write a model's replies to the prompts of a file.")
    parser.add_argument("model", type=Path)
    parser.add_argument("prompts", type=Path, help="one JSON list of messages a line")
    parser.add_argument("replies", type=Path, help="gets one JSON list of replies a line")
    parser.add_argument("--samples", type=int, default=1)
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    prompts = [json.loads(line) for line in given.prompts.read_text(encoding="utf-8").splitlines()]
    replies = speak(given.model, prompts, given.samples, given.seed)
    given.replies.write_text("".join(json.dumps(one) + "\n" for one in replies), encoding="utf-8")
    sys.stdout.write(f"{len(prompts)} prompts, {given.samples} replies to each\n")


if __name__ == "__main__":
    main()
