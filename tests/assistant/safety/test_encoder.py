import json
import shutil
import subprocess
import sys
import unicodedata
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from assistant.safety.encoder import (
    HEADS,
    LONGEST,
    Encoder,
    model_directory,
    read_encoder,
)
from assistant.safety.learned import encoder
from memory.forward import FILE, Forward
from memory.minilm import read_base, read_tokenizer

ROOT = Path(__file__).parents[3]
TEXTS = (
    "ok",
    "I keep thinking that I should have called her first",
    "Je n'en peux plus, mais demain ça ira mieux?",
    "我今天很累，不想说话。",
    "One long message about nothing at all, told at length. " * 8,
)


def unadapted() -> Encoder:
    base = read_base(model_directory())
    head = (np.zeros((len(HEADS), base.width), np.float32), np.zeros(len(HEADS), np.float32))
    return Encoder(base, Forward(base.layers), head, read_tokenizer(model_directory()), {})


@pytest.mark.parametrize("number", range(len(TEXTS)))
def test_the_forward_pass_is_that_of_transformers(number: int) -> None:
    import torch
    from transformers import AutoModel
    from transformers.utils import logging

    logging.disable_progress_bar()
    ours = unadapted()
    (ids,) = ours.pieces(TEXTS[number])[:1]
    with torch.no_grad():
        theirs = AutoModel.from_pretrained(str(model_directory()))(torch.tensor([ids])).last_hidden_state[0].numpy()
    assert np.abs(ours.encoded(ids) - theirs).max() < 1e-4


def test_the_graph_that_is_shipped_is_the_one_that_is_written() -> None:
    import onnx

    from training.safety_screen.graph import graph

    shipped = onnx.load(str(ROOT / "memory" / FILE), load_external_data=False)
    assert shipped == graph(read_base(model_directory()))


def test_weights_that_are_not_the_graphs_are_refused() -> None:
    with pytest.raises(ValueError, match=FILE):
        Forward(read_base(model_directory()).layers[:-1])


def test_the_tokens_are_those_of_transformers() -> None:
    from transformers import AutoTokenizer

    theirs = AutoTokenizer.from_pretrained(str(model_directory()))
    for text in (unicodedata.normalize("NFKC", text) for text in TEXTS):
        assert unadapted().pieces(text)[0] == theirs(text, truncation=True, max_length=LONGEST)["input_ids"]


def test_adapters_are_merged_as_they_were_trained() -> None:
    import torch

    from training.safety_screen.tuning import Tuned, Tuning, packed

    model = Tuned(read_base(model_directory()), Tuning(rank=4)).eval()
    with torch.no_grad():
        for value in model.adapters.values():
            value += torch.randn(value.shape, generator=torch.Generator().manual_seed(3)) * 0.02
    ours = read_encoder(packed(model.arrays(), {}))
    for text in TEXTS:
        (ids,) = ours.pieces(text)[:1]
        hidden, mask = torch.from_numpy(ours.base.embedded(ids))[None], torch.ones(1, len(ids), dtype=torch.bool)
        with torch.no_grad():
            theirs = model(model.lower(hidden, mask), mask)[0].numpy()
        assert np.abs(ours.read(ids) - theirs).max() < 0.02, "half precision in the file"


def test_a_long_text_is_read_in_pieces_of_bounded_length() -> None:
    pieces = encoder().pieces("word " * 1000)
    assert [len(piece) for piece in pieces[:-1]] == [LONGEST] * (len(pieces) - 1)
    assert sum(len(piece) - 2 for piece in pieces) == 1000


@settings(max_examples=40, deadline=None)
@given(st.text(st.characters(), max_size=200))
def test_reading_never_raises(text: str) -> None:
    for ids in encoder().pieces(text):
        assert np.isfinite(encoder().read(ids)).all()


def test_what_is_no_file_of_adapters_is_refused() -> None:
    with pytest.raises((ValueError, KeyError)):
        read_encoder(b"no adapters")
    empty = BytesIO()
    np.savez(empty, manifest=np.frombuffer(json.dumps({}).encode(), np.uint8))
    with pytest.raises(KeyError):
        read_encoder(empty.getvalue())


def test_screening_imports_no_torch() -> None:
    code = (
        "import sys; from assistant.safety.screen import screen; assert screen('I want to die').crisis; "
        "assert not {'torch', 'transformers', 'sentence_transformers'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=120)


@pytest.mark.parametrize("damage", ["missing", "broken", "of another fit"])
def test_a_message_is_concern_where_the_adapters_cannot_be_read(damage: str, tmp_path: Path) -> None:
    for package in ("assistant", "memory"):
        shutil.copytree(ROOT / package, tmp_path / package, ignore=shutil.ignore_patterns("__pycache__"))
    file = tmp_path / "assistant" / "safety" / "encoder.npz"
    content = file.read_bytes()
    file.unlink()
    if damage != "missing":
        file.write_bytes(content[:1000] if damage == "broken" else content + b" ")
    code = (
        "from assistant.safety.screen import screen; found = screen('good morning'); print(found.level, found.matched)"
    )
    said = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, check=True, timeout=120, capture_output=True)
    assert said.stdout.decode().strip() == "concern ('screen.failed',)"
