"""How many tokens a text takes, estimated without a tokenizer: one estimate for recall's budget and the prompt's."""

from __future__ import annotations

import math


def estimate_tokens(text: str) -> int:
    """Estimate how many tokens `text` takes: 3.5 ASCII characters each, about one per Chinese or Japanese character."""
    characters = len(text)
    extra_bytes = len(text.encode("utf-8", "surrogatepass")) - characters
    return math.ceil(characters / 3.5 + extra_bytes * (1 - 1 / 3.5) / 2)
