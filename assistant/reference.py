"""Writes docs/reference.md from the code: endpoints, errors, settings and metrics, each with what the code says of it.

Pure but for the last line; a test keeps the page up to date.

    python -m assistant.reference [docs/reference.md]
"""

from __future__ import annotations

import argparse
import ast
import inspect
import textwrap
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any, get_args

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from assistant import errors
from assistant.app import create_app
from assistant.config import AssistantConfig
from assistant.metrics import Metrics
from memory.template import fill, load


def page() -> str:
    """Return the page."""
    return fill(
        load("assistant", "reference.md"),
        endpoints="\n".join(endpoints()),
        errors="\n".join(error_codes()),
        settings="\n".join(_settings(AssistantConfig, "")),
        metrics="\n".join(metrics()),
    )


def endpoints() -> Iterator[str]:
    """Yield a row for each operation of the OpenAPI."""
    for path, operations in _openapi()["paths"].items():
        for method, operation in operations.items():
            fields = ", ".join(f"`{name}`" for name in _inputs(operation)) or "–"
            words = str(operation.get("description", operation["summary"])).split("\n")[0].replace("|", "\\|")
            yield f"| `{method.upper()} {path}` | {fields} | {words} |"


def error_codes() -> Iterator[str]:
    """Yield a row for each code that an error can carry, by status."""
    found: dict[tuple[int, str], str] = {}
    for kind in _kinds(errors.AttuneError):
        words = " ".join((inspect.getdoc(kind) or "").split())
        if "code" in vars(kind):
            found[kind.status, kind.code] = f"| {kind.status} | `{kind.code}` | `{kind.type}` | {words} |"
    found[405, "method_not_allowed"] = (
        "| 405 | `method_not_allowed` | `invalid_request_error` | The route knows other methods. |"
    )
    yield from (found[key] for key in sorted(found))


def _kinds(base: type[errors.AttuneError]) -> Iterator[type[errors.AttuneError]]:
    """Every error of this package that can reach a client; the app has imported them all."""
    if base is not errors.ConfigError and base.__module__.startswith("assistant."):
        yield base
        for kind in base.__subclasses__():
            yield from _kinds(kind)


def metrics() -> Iterator[str]:
    """Yield a row for each metric."""
    for family in Metrics().registry.collect():
        labels = ", ".join(f"`{label}`" for label in _labels(family.name)) or "–"
        name = f"{family.name}_total" if family.type == "counter" else family.name
        yield f"| `{name}` | {family.type} | {labels} | {family.documentation} |"


def _labels(name: str) -> tuple[str, ...]:
    for metric in vars(Metrics()).values():
        if getattr(metric, "_name", None) == name:
            return tuple(metric._labelnames)
    return ()


@cache
def _openapi() -> dict[str, Any]:
    return create_app(AssistantConfig()).openapi()


def _inputs(operation: dict[str, Any]) -> list[str]:
    names = [parameter["name"] for parameter in operation.get("parameters", []) if parameter["in"] == "query"]
    body = operation.get("requestBody", {}).get("content", {}).get("application/json", {}).get("schema", {})
    references = [body, *body.get("anyOf", [])]
    schemas = _openapi()["components"]["schemas"]
    for reference in references:
        name = str(reference.get("$ref", "")).rpartition("/")[2]
        names += list(schemas.get(name, {}).get("properties", {}))
    return names


def _settings(model: type[BaseModel], prefix: str, given: BaseModel | None = None) -> Iterator[str]:
    """A row for each key; `given` is the section as the one around it fills it, with defaults of its own."""
    said = _docstrings(model)
    for name, field in model.model_fields.items():
        inner = _section(field)
        default = field.get_default(call_default_factory=True, validated_data={})
        if given is not None:
            default = getattr(given, name)
        if inner is not None:
            yield from _settings(inner, f"{prefix}{name}.", default)
            continue
        shown = "–" if name == "home" or default is None else f"`{_toml(default)}`"
        words = " ".join((field.description or said.get(name, "")).split()).replace("|", "\\|")
        yield f"| `{prefix}{name}` | {shown} | {words} |"


def _toml(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, tuple):
        return f"[{', '.join(_toml(one) for one in value)}]"
    return f'"{value}"' if isinstance(value, str) else str(value)


def _section(field: FieldInfo) -> type[BaseModel] | None:
    kinds = [field.annotation, *get_args(field.annotation)]
    return next((kind for kind in kinds if isinstance(kind, type) and issubclass(kind, BaseModel)), None)


def _docstrings(model: type[BaseModel]) -> dict[str, str]:
    """The line under each field, which Python itself forgets."""
    [tree] = ast.parse(textwrap.dedent(inspect.getsource(model))).body
    assert isinstance(tree, ast.ClassDef)
    said = {}
    for before, after in zip(tree.body, tree.body[1:], strict=False):
        if isinstance(before, ast.AnnAssign) and isinstance(before.target, ast.Name) and isinstance(after, ast.Expr):
            words = after.value
            if isinstance(words, ast.Constant) and isinstance(words.value, str):
                said[before.target.id] = words.value
    return said


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m assistant.reference", description="Write the reference page anew.")
    parser.add_argument("file", nargs="?", type=Path, default=Path("docs/reference.md"))
    parser.parse_args().file.write_text(page(), encoding="utf-8")
