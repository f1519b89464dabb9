"""What a language model may answer when it reflects: its JSON schema and its strict reading.

An answer is read whole or not at all: what is not exactly one JSON object of this shape raises ReflectionError, so that
a garbled answer can never pass for "nothing to remember". Values out of range are not judged here; reflect.py drops and
counts them one by one. Error messages carry places and types, never the words of the answer.
"""

from __future__ import annotations

import json
import re
from typing import Any, NoReturn

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from memory.errors import ReflectionError
from memory.types import Kind, Trait

MAX_ANSWER_CHARS = 200_000
"""A longer answer is a runaway generation."""

_FENCE = re.compile(r"```(?:json|JSON)?[ \t]*\r?\n(.*?)\r?\n?```", re.DOTALL)


def _one_of(*values: str) -> dict[str, Any]:
    return {"enum": list(values)}


class _Part(BaseModel):
    model_config = ConfigDict(
        strict=True, frozen=True, extra="ignore", json_schema_extra={"additionalProperties": False}
    )


class FoundFact(_Part):
    """One fact as the model words it."""

    text: str
    kind: str = Field(json_schema_extra=_one_of(*Kind))
    turn: int
    quote: str
    confidence: float
    origin: str = Field(json_schema_extra=_one_of("stated", "inferred"))
    replaces: int | None = None
    """The number of the known fact that holds no longer."""


class FoundTrait(_Part):
    """One observation that speaks to a trait, as the model words it."""

    trait: str = Field(json_schema_extra=_one_of(*Trait))
    direction: str = Field(json_schema_extra=_one_of("high", "low"))
    strength: float
    item: str | None = None
    turn: int
    quote: str


class Answer(_Part):
    """The whole answer; empty lists are a valid answer, missing lists are not."""

    facts: list[FoundFact]
    traits: list[FoundTrait]
    feeling: str | None = None


def _schema() -> dict[str, Any]:
    schema = Answer.model_json_schema(mode="serialization")
    for part in (schema, *schema["$defs"].values()):
        part["required"] = list(part["properties"])
        part.pop("description", None)
    return schema


ANSWER_SCHEMA: dict[str, Any] = _schema()
"""The JSON schema given to the engine; every key is required, as constrained decoding asks for."""


def parse(answer: object) -> Answer:
    """Read a model's answer: one JSON object, alone or alone in one code fence.

    Raises:
        ReflectionError: anything else, with where it went wrong.
    """
    if not isinstance(answer, str):
        raise ReflectionError(f"the model answered {type(answer).__name__} instead of text")
    if len(answer) > MAX_ANSWER_CHARS:
        raise ReflectionError(f"the model's answer has {len(answer)} characters; at most {MAX_ANSWER_CHARS} are read")
    text = answer.strip().removeprefix("\ufeff")
    if fenced := _FENCE.fullmatch(text):
        text = fenced[1].strip()
    if not text:
        raise ReflectionError("the model's answer is empty")
    try:
        value = json.loads(text, object_pairs_hook=_unique, parse_constant=_refuse_constant)
    except json.JSONDecodeError as error:
        raise ReflectionError(_where(text, error)) from None
    except RecursionError:
        raise ReflectionError("the model's answer is nested too deeply") from None
    except ValueError:
        raise ReflectionError("the model's answer holds a number that cannot be read") from None
    try:
        return Answer.model_validate(value)
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False)[0]
        place = ".".join(str(step) for step in first["loc"]) or "the top"
        raise ReflectionError(
            f"the model's answer has the wrong shape in {error.error_count()} places, first at {place}: {first['type']}"
        ) from None


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ReflectionError("the model's answer names the same key twice in one object")
    return found


def _refuse_constant(name: str) -> NoReturn:
    raise ReflectionError(f"the model's answer holds {name}, which is not JSON")


def _where(text: str, error: json.JSONDecodeError) -> str:
    if not text.startswith(("{", "[")):
        return f"the model's answer is not JSON: it starts with other text ({len(text)} characters)"
    if error.pos >= len(text.rstrip()) or error.msg.startswith("Unterminated"):
        return f"the model's answer is cut off after {len(text)} characters"
    return f"the model's answer is not JSON at character {error.pos} of {len(text)}: {error.msg}"
