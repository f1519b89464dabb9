from __future__ import annotations

from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from transformers import AutoModelForCausalLM, AutoTokenizer

from training.tiny import CONTEXT_TOKENS, make_tiny_qwen3


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_tiny_qwen3(tmp_path_factory.mktemp("tiny"))


@pytest.mark.parametrize("text", ["I feel at home.", "Olá, 你好, 🙂", "\x00\x7f", "<|im_end|>", ""])
def test_every_text_survives_the_tokenizer(tiny: Path, text: str) -> None:
    tokenizer = AutoTokenizer.from_pretrained(tiny)
    assert tokenizer.decode(tokenizer.encode(text)) == text


def test_the_chat_template_opens_the_assistants_turn(tiny: Path) -> None:
    tokenizer = AutoTokenizer.from_pretrained(tiny)
    written = tokenizer.apply_chat_template(
        [{"role": "user", "content": "hi"}], tokenize=False, add_generation_prompt=True
    )
    assert written == "<|im_start|>user\nhi<|im_end|>\n<|im_start|>assistant\n"
    assert tokenizer.model_max_length == CONTEXT_TOKENS


def test_the_same_seed_gives_the_same_weights_and_another_seed_others(tiny: Path, tmp_path: Path) -> None:
    def embedding(directory: Path) -> object:
        return load_file(directory / "model.safetensors")["model.embed_tokens.weight"].tolist()

    assert embedding(make_tiny_qwen3(tmp_path / "same")) == embedding(tiny)
    assert embedding(make_tiny_qwen3(tmp_path / "other", seed=1)) != embedding(tiny)


@pytest.mark.parametrize("seed", range(4))
def test_an_endless_model_never_draws_a_special_token(seed: int, tmp_path: Path) -> None:
    endless = make_tiny_qwen3(tmp_path / "endless", seed=seed, layers=8, endless=True)
    tokenizer = AutoTokenizer.from_pretrained(endless)
    said = tokenizer(
        "<|im_start|>user\nI feel at home, 你好, 🙂<|im_end|>\n<|im_start|>assistant\n", return_tensors="pt"
    )
    with torch.no_grad():
        drawn = AutoModelForCausalLM.from_pretrained(endless)(said["input_ids"]).logits.softmax(-1)
    assert float(drawn[..., tokenizer.all_special_ids].sum(-1).max()) < 1e-4
