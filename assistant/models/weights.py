"""Where the files of an in-process model are: a directory, the hub's cache, or the hub.

Nothing is downloaded unless a model is named and not there yet. Importing this module loads no library; the functions
take the time of a disk or of a network, so call them in a thread.
"""

from __future__ import annotations

from contextlib import suppress
from functools import partial
from pathlib import Path

from assistant.errors import ModelRefusedError, ModelUnreachableError

_FILES = ["*.json", "*.safetensors", "*.jinja", "*.txt", "*.model"]
_COPIES = ["original/*", "metal/*", "onnx/*"]
"""The same weights in other formats, which some repositories carry too."""


def looks_like_path(model: str) -> bool:
    """Whether a configured model is meant as a directory, there or not."""
    return model.startswith(("/", "./", "../", "~")) or Path(model).expanduser().is_dir()


def cached(model: str, cache: Path | None = None) -> Path | None:
    """Return the snapshot of a hub model on this machine; None when it is not here, or not whole.

    Args:
        model: A hub id.
        cache: Where the hub's cache is; None means its usual place.
    """
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HFValidationError, LocalEntryNotFoundError

    try:
        snapshot = Path(
            snapshot_download(
                model, cache_dir=cache, local_files_only=True, allow_patterns=_FILES, ignore_patterns=_COPIES
            )
        )
    except (LocalEntryNotFoundError, HFValidationError):
        return None
    return snapshot if _has_weights(snapshot) else None


def is_here(model: str) -> bool:
    """Whether the model needs no download."""
    return looks_like_path(model) or cached(model) is not None


def cached_models(cache: Path | None = None) -> list[str]:
    """Return the language models in the hub's cache, by name."""
    import json

    from huggingface_hub import scan_cache_dir
    from huggingface_hub.errors import CacheNotFound

    names = []
    try:
        repos = scan_cache_dir(cache).repos
    except CacheNotFound:
        return []
    for repo in repos:
        snapshot = cached(repo.repo_id, cache) if repo.repo_type == "model" else None
        if snapshot is None:
            continue
        architectures = json.loads((snapshot / "config.json").read_text(encoding="utf-8")).get("architectures") or []
        if any(str(name).endswith(("ForCausalLM", "LMHeadModel")) for name in architectures):
            names.append(repo.repo_id)
    return sorted(names)


def find(model: str, *, role: str = "policy") -> Path:
    """Return the directory of a model, downloading it when it is a hub id that is not here yet.

    Raises:
        ModelRefusedError: the directory or the hub has no such model, or not with weights.
        ModelUnreachableError: it must be downloaded and the hub cannot be reached.
    """
    if looks_like_path(model):
        directory = Path(model).expanduser()
        if not directory.is_dir():
            raise ModelRefusedError(f"{role}.model names the directory {directory}, which does not exist")
        if not (directory / "config.json").is_file():
            hint = "merge the adapter into its model first" if (directory / "adapter_config.json").is_file() else ""
            raise ModelRefusedError(f"{directory} holds no Transformers model (no config.json){hint and '; ' + hint}")
        return directory
    return cached(model) or download(model, role=role)


def download(model: str, *, role: str = "policy", endpoint: str | None = None, cache: Path | None = None) -> Path:
    """Fetch a hub model; huggingface_hub shows its own progress bar on stderr.

    Args:
        model: A hub id.
        role: For the words of an error.
        endpoint: The hub's address; None means its usual one, or `HF_ENDPOINT`.
        cache: As in `cached`.

    Raises:
        ModelRefusedError: the hub has no such model, or not with weights.
        ModelUnreachableError: the hub cannot be reached.
    """
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import GatedRepoError, HFValidationError, RepositoryNotFoundError

    try:
        fetch = partial(snapshot_download, model, endpoint=endpoint, cache_dir=cache, ignore_patterns=_COPIES)
        snapshot = Path(fetch(allow_patterns=_FILES))
        if not _has_weights(snapshot):
            snapshot = Path(fetch(allow_patterns=[*_FILES, "*.bin"]))
    except GatedRepoError as error:
        raise ModelRefusedError(
            f"the hub gives {model!r} only to people who asked; accept its terms at https://huggingface.co/{model}"
            " and set HF_TOKEN"
        ) from error
    except (RepositoryNotFoundError, HFValidationError) as error:
        raise ModelRefusedError(
            f"neither this machine nor the hub has a model {model!r}; check {role}.model"
        ) from error
    except OSError as error:
        raise ModelUnreachableError(
            f"model {model!r} is not on this machine and the hub cannot be reached; connect (and unset HF_HUB_OFFLINE),"
            f" copy the model here and set {role}.model to its directory, or set {role}.base_url to a server"
        ) from error
    if not _has_weights(snapshot):
        raise ModelRefusedError(f"the hub's {model!r} holds no weights that Transformers can read; check {role}.model")
    return snapshot


def download_bytes(model: str, *, endpoint: str | None = None) -> int:
    """Return how much `download` fetches of a hub model; 0 where the hub does not say.

    The errors of huggingface_hub come through, and a hub that cannot be reached is not asked again; `download`
    translates them.
    """
    from huggingface_hub import HfApi
    from huggingface_hub.utils._paths import filter_repo_objects

    listed = HfApi(endpoint=endpoint).model_info(model, files_metadata=True).siblings or ()
    sizes = {file.rfilename: file.size or 0 for file in listed}
    wanted = filter_repo_objects(sizes, allow_patterns=_FILES, ignore_patterns=_COPIES)
    return sum(sizes[path] for path in wanted)


def bytes_here(model: str, *, cache: Path | None = None) -> int:
    """Return how much of a hub model is on this machine, whole or not."""
    from huggingface_hub import constants

    blobs = (cache or Path(constants.HF_HUB_CACHE)) / f"models--{model.replace('/', '--')}" / "blobs"
    found = 0
    for blob in blobs.glob("*"):
        with suppress(FileNotFoundError):  # it got its name just now
            found += blob.stat().st_size
    return found


def _has_weights(directory: Path) -> bool:
    return (directory / "config.json").is_file() and any(
        next(directory.glob(pattern), None) for pattern in ("*.safetensors", "*.bin")
    )
