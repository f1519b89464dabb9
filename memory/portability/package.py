"""The zip file of an archive: documented JSON for machines, Markdown for people; written whole or not at all.

`read` takes files from anywhere: it bounds what it unpacks, checks sums and the schema before anything is used, and
says what is wrong without quoting what people said.
"""

from __future__ import annotations

import hashlib
import json
import os
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import TypeVar

from pydantic import BaseModel, ValidationError

from memory import archive
from memory.errors import ImportFileError
from memory.portability.readable import pages
from memory.types import Person

Part = TypeVar("Part", bound=BaseModel)

MAX_UNPACKED_BYTES = 1 << 30
"""A larger archive is refused before it is unpacked."""
_PARTS: Mapping[str, type[BaseModel]] = {
    "settings.json": archive.Person,
    "memories.json": archive.Memories,
    "traits.json": archive.Traits,
    "account.json": archive.Account,
}


def write(path: Path, held: archive.Archive, person: Person, manifest: archive.Manifest) -> None:
    """Write the zip with everything that is held; the file is there when it is whole, and only its owner reads it."""
    parts: dict[str, BaseModel] = dict(
        zip(_PARTS, (held.person, held.memories, held.traits, held.account), strict=True)
    )
    parts |= {f"conversations/{n:04}.json": one for n, one in enumerate(held.conversations, start=1)}
    files = {name: part.model_dump_json(indent=2) for name, part in parts.items()}
    sums = {name: hashlib.sha256(text.encode()).hexdigest() for name, text in files.items()}
    manifest = manifest.model_copy(update={"files": sums})
    files |= {"manifest.json": manifest.model_dump_json(indent=2)}
    files |= {"schema.json": json.dumps(archive.Archive.model_json_schema(), indent=1)}
    files |= pages(held, person, manifest.exported_at)
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    draft = path.with_suffix(".part")
    with os.fdopen(os.open(draft, os.O_RDWR | os.O_CREAT | os.O_TRUNC, 0o600), "w+b") as file:
        with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as packed:
            for name, text in files.items():
                packed.writestr(name, text)
        file.flush()
        os.fsync(file.fileno())
    draft.replace(path)


def read(path: Path) -> archive.Archive:
    """Read and check an archive.

    Raises:
        ImportFileError: it is none, is damaged, or is of a newer version.
    """
    try:
        with zipfile.ZipFile(path) as packed:
            if sum(one.file_size for one in packed.infolist()) > MAX_UNPACKED_BYTES:
                raise ImportFileError(f"{path} unpacks to more than {MAX_UNPACKED_BYTES >> 20} MiB")
            return _read(path, packed)
    except (OSError, zipfile.BadZipFile, zipfile.LargeZipFile, EOFError, RuntimeError, NotImplementedError) as error:
        raise ImportFileError(f"cannot read {path} as a zip file: {error}") from error


def _read(path: Path, packed: zipfile.ZipFile) -> archive.Archive:
    names = set(packed.namelist())
    if "manifest.json" not in names:
        raise ImportFileError(f"{path} is no archive of Attune's: it has no manifest.json")
    written = packed.read("manifest.json")
    version = _version(path, written)
    if version != archive.VERSION:
        repair = f"this Attune reads version {archive.VERSION}: install a newer one"
        raise ImportFileError(f"{path} is an archive of version {version}, {repair}")
    manifest = _parsed(path, "manifest.json", archive.Manifest, written)
    contents: dict[str, bytes] = {}
    for name, wanted in manifest.files.items():
        contents[name] = packed.read(name) if name in names else b""
        if hashlib.sha256(contents[name]).hexdigest() != wanted:
            raise ImportFileError(f"{path}: {name} is missing, damaged or was changed")
    try:
        return archive.Archive(
            person=_parsed(path, "settings.json", archive.Person, contents["settings.json"]),
            memories=_parsed(path, "memories.json", archive.Memories, contents["memories.json"]),
            traits=_parsed(path, "traits.json", archive.Traits, contents["traits.json"]),
            conversations=tuple(
                _parsed(path, name, archive.Conversation, contents[name])
                for name in sorted(contents)
                if name.startswith("conversations/")
            ),
        )
    except KeyError as error:
        raise ImportFileError(f"{path} has no {error}") from None
    except ValidationError as error:
        raise ImportFileError(f"{path} does not hang together: {_reasons(error)}") from None


def _version(path: Path, written: bytes) -> object:
    try:
        manifest = json.loads(written)
    except ValueError:
        raise ImportFileError(f"{path}: manifest.json is not JSON") from None
    if not isinstance(manifest, dict) or manifest.get("format") != archive.FORMAT:
        raise ImportFileError(f"{path} is no archive of Attune's")
    return manifest.get("version")


def _parsed(path: Path, name: str, part: type[Part], content: bytes) -> Part:
    try:
        return part.model_validate_json(content)
    except ValidationError as error:
        raise ImportFileError(f"{path}: {name}: {_reasons(error)}") from None


def _reasons(error: ValidationError) -> str:
    """The first things that are wrong, by place and kind; never what stands there."""
    wrong = error.errors(include_input=False, include_url=False, include_context=False)
    return "; ".join(f"{'.'.join(map(str, one['loc'])) or 'as a whole'}: {one['msg']}" for one in wrong[:3])
