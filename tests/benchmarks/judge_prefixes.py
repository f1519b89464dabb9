"""What a perfect prefix cache leaves of judging one step, by part: exact arithmetic over the prompts, without a server.

Every whole block of a prompt that an earlier prompt began with is taken from the cache; the rest is computed. vLLM's
own counters (`attune-train bench judge-cost`) show the same within the calls that run at once.

    python -m tests.benchmarks.judge_prefixes --block 16
"""

from __future__ import annotations

import argparse
import tempfile
from collections import Counter
from pathlib import Path
from typing import Any

from training.benchmarks.judge_cost import Load, step_calls
from training.endpoint import Endpoint
from training.tiny import make_tiny_qwen3


def computed(load: Load, block: int, tokenizer: Any) -> dict[str, Counter[str]]:
    """Return the tokens that each pattern computes, for criteria, for the dimensions and for the bystander."""
    found: dict[str, Counter[str]] = {}
    for pattern, calls in step_calls(load, Endpoint(model="none")).items():
        cached: set[int] = set()
        parts: Counter[str] = Counter()
        for call in calls:
            messages = [dict(message) for message in call.messages]
            tokens = tuple(tokenizer.apply_chat_template(messages, add_generation_prompt=True, return_dict=False))
            blocks = [hash(tokens[:end]) for end in range(block, len(tokens) + 1, block)]
            hits = next((place for place, one in enumerate(blocks) if one not in cached), len(blocks)) * block
            cached.update(blocks)
            outsider = "outsider" in messages[0]["content"]
            part = "criteria" if call.tag == "criteria" else "bystander" if outsider else "dimensions"
            # The last token is always computed, and with it the block that it stands in.
            parts[part] += len(tokens) - min(hits, (len(tokens) - 1) // block * block)
        found[pattern] = parts
    return found


def main() -> None:
    """Print a line for each pattern and part."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--block", type=int, default=16, help="Tokens of a block of the cache.")
    parser.add_argument("--reply", type=int, default=160, help="Words of a reply, on average.")
    parser.add_argument("--batch", type=int, default=8)
    options = parser.parse_args()
    from transformers import AutoTokenizer

    with tempfile.TemporaryDirectory() as directory:
        tokenizer = AutoTokenizer.from_pretrained(make_tiny_qwen3(Path(directory) / "model"))
    found = computed(Load(batch=options.batch, reply=options.reply), options.block, tokenizer)
    whole = next(iter(found.values())).total()
    for pattern, parts in found.items():
        shown = ", ".join(f"{part} {tokens:,}" for part, tokens in parts.items())
        print(f"{pattern}: {parts.total():,} computed ({parts.total() / whole:.0%}): {shown}")  # noqa: T201


if __name__ == "__main__":
    main()
