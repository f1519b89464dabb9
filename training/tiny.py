"""A tiny random Qwen3 with a chat template, made on the spot: the real architecture without a download.

It proves engines, not quality: its weights are random, so it answers in gibberish. Same seed, same weights. The
tokenizer falls back to single bytes, so every text can be encoded, at about one token for two characters.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

CONTEXT_TOKENS = 32768
END_OF_TURN = "<|im_end|>"
PADDING = "<|endoftext|>"
SPECIAL_TOKENS = [PADDING, "<|im_start|>", END_OF_TURN]
CORPUS = [
    "the a an is are was to of and in that it you I my me for on with have this be not what how feel so just really",
    'user assistant system memory remember likes work family friend sleep coffee tea {"facts": [], "quote": ""}',
    "0 1 2 3 4 5 6 7 8 9 true false null\n\n",
]
CHAT_TEMPLATE = (
    "{% for message in messages %}<|im_start|>{{ message['role'] }}\n{{ message['content'] }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)


def make_tiny_qwen3(
    directory: Path, seed: int = 0, layers: int = 2, corpus: Sequence[str] = CORPUS, *, endless: bool = False
) -> Path:
    """Write a Hugging Face model directory (with two layers 0.35 million parameters, 1.5 MB) and return it.

    The tokenizer's vocabulary is made from `corpus`; it can write everything else in bytes. An `endless` model never
    draws a special token, so that a reply ends at its limit only and is never empty by chance.
    """
    import torch
    from transformers import GenerationConfig, Qwen3Config, Qwen3ForCausalLM

    tokenizer = _tokenizer(corpus)
    ends = {"eos_token_id": tokenizer.eos_token_id, "pad_token_id": tokenizer.pad_token_id}
    config = Qwen3Config(
        vocab_size=len(tokenizer),
        hidden_size=128,
        intermediate_size=256,
        num_hidden_layers=layers,
        num_attention_heads=4,
        num_key_value_heads=2,
        head_dim=32,
        max_position_embeddings=CONTEXT_TOKENS,
        tie_word_embeddings=not endless,
        bos_token_id=None,
        dtype="float32",
        **ends,
    )
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        model = Qwen3ForCausalLM(config)
        if endless:
            _never_ends(model)
    model.generation_config = GenerationConfig(**ends)
    tokenizer.save_pretrained(directory)
    model.save_pretrained(directory)
    return directory


def _never_ends(model: Any) -> None:
    """Make the first hidden channel a constant that no layer writes, and let it weigh against the special tokens."""
    import torch

    embedding, head = model.model.embed_tokens.weight, model.lm_head.weight
    with torch.no_grad():
        embedding[:, 0] = 4 * embedding.std()
        for layer in model.model.layers:
            layer.self_attn.o_proj.weight[0] = 0
            layer.mlp.down_proj.weight[0] = 0
        head[:, 0] = 0
        head[: len(SPECIAL_TOKENS), 0] = -30


def _tokenizer(corpus: Sequence[str]) -> Any:
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import PreTrainedTokenizerFast

    encoder = Tokenizer(models.BPE())
    encoder.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    encoder.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=512,
        special_tokens=SPECIAL_TOKENS,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    encoder.train_from_iterator([*corpus] * 50, trainer)
    return PreTrainedTokenizerFast(
        tokenizer_object=encoder,
        eos_token=END_OF_TURN,
        pad_token=PADDING,
        additional_special_tokens=SPECIAL_TOKENS[1:],
        chat_template=CHAT_TEMPLATE,
        model_max_length=CONTEXT_TOKENS,
    )


if __name__ == "__main__":
    make_tiny_qwen3(Path(sys.argv[1]))
