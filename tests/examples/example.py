"""The requests of `requests.toml`, the page that shows them, and what the page says was answered."""

from __future__ import annotations

import json
import re
import shlex
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

SOURCE = Path(__file__).with_name("requests.toml")
PAGE = Path(__file__).parents[2] / "docs" / "examples.md"
HEAD = """# Every endpoint by example

Written by `python -m tests.examples.play` from `tests/examples/requests.toml` and what a backend with the builtin
responder answered; a test sends every line again with curl. Long values and lists are shortened, and of a stream the
first event of each kind is shown, or the first and the last piece. What the endpoints do stands in [api.md](api.md),
all of them in one table in [reference.md](reference.md).

In a shell, with the key of the local owner (`attune doctor` prints where the data directory is):

```sh
ATTUNE=http://127.0.0.1:8300
KEY=$(cat "$ATTUNE_HOME/owner.key")
```

The other variables are ids from earlier answers.
"""
_FENCED = re.compile(r"```(json|jsonl|text)\n(.*?)\n```", re.DOTALL)
_LONG = 72
_WIDTH = 110
_FREE = frozenset({"checks", "detail", "details", "plan", "timings", "traits", "reliability"})
"""Objects whose keys depend on the day, and are not compared."""
_ID = re.compile(r"\b([a-z]{2,7})_[0-9a-z]{12,}")
_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d[.\d]*(?:Z|[+-]\d\d:\d\d)?")
_HASH = re.compile(r"\b[0-9a-f]{12,}\b")
_SECRET = re.compile(r"attune_[\w-]{16,}")


@dataclass(frozen=True, slots=True)
class Example:
    """One request."""

    does: str
    route: str
    url: str
    body: str | None = None
    upload: str | None = None
    save: str | None = None
    key: str = "KEY"
    headers: Sequence[str] = ()
    status: int = 200
    keep: Mapping[str, str] = field(default_factory=dict)
    learned: bool = False

    @property
    def command(self) -> str:
        """The line for a shell."""
        method = self.route.split(" ")[0]
        parts = ["curl -sN" if '"stream": true' in (self.body or "") else "curl -s"]
        if method not in ("GET", "POST") or (method == "POST" and self.body is None and self.upload is None):
            parts.append(f"-X {method}")
        parts[0] = f'{" ".join(parts)} "$ATTUNE{self.url}"'
        del parts[1:]
        if self.key:
            parts.append(f'-H "Authorization: Bearer ${self.key}"')
        parts += [f"-H {shlex.quote(header)}" for header in self.headers]
        if self.body is not None:
            parts.append(f"-H 'Content-Type: application/json' -d '{self.body}'")
        if self.upload is not None:
            parts.append(f"--data-binary @{self.upload} -H 'Content-Type: application/octet-stream'")
        if self.save is not None:
            parts.append(f"-o {self.save}")
        return " \\\n  ".join(parts)


@dataclass(frozen=True, slots=True)
class Chapter:
    """Requests that belong together."""

    title: str
    examples: tuple[Example, ...]


def chapters() -> list[Chapter]:
    """Read them all, in the order in which they can be sent."""
    return [
        Chapter(one["title"], tuple(_example(row) for row in one["request"]))
        for one in tomllib.loads(SOURCE.read_text("utf-8"))["chapter"]
    ]


def files() -> Mapping[str, str]:
    """What is uploaded, by name."""
    found: dict[str, str] = tomllib.loads(SOURCE.read_text("utf-8"))["files"]
    return found


def examples() -> list[Example]:
    """All requests."""
    return [example for chapter in chapters() for example in chapter.examples]


def page(answers: Sequence[str]) -> str:
    """The page, with the fenced answer to each request."""
    left = iter(answers)
    return "\n".join([HEAD, *(line for chapter in chapters() for line in _shown(chapter, left))])


def answered(text: str) -> list[str]:
    """The fenced answers on a page."""
    return [match[0] for match in _FENCED.finditer(text)]


def fenced(content_type: str, body: str) -> str:
    """An answer as the page shows it: stable and short."""
    if content_type.startswith("application/json"):
        return f"```json\n{_printed(short(json.loads(body)))}\n```"
    if content_type.startswith(("text/event-stream", "application/x-ndjson")):
        rows = [json.dumps(short(one), ensure_ascii=False) for one in _first_of_each(objects(body))]
        return "\n".join(["```jsonl", *rows, "```"])
    said = "\n".join(body.splitlines()[:4]) or f"({content_type.split(';')[0]})"
    return f"```text\n{said}\n```"


def documented(block: str) -> Any:
    """What a fenced answer says, to be compared by its keys; None where it is not JSON."""
    match = _FENCED.fullmatch(block)
    assert match is not None, block
    if match[1] == "text":
        return None
    return json.loads(match[2]) if match[1] == "json" else [json.loads(line) for line in match[2].splitlines()]


def objects(body: str) -> list[Any]:
    """The JSON objects of a stream of events, or of JSON lines."""
    lines = (line.removeprefix("data:").strip() for line in body.splitlines())
    return [json.loads(line) for line in lines if line.startswith("{")]


def keys(value: Any) -> Any:
    """The names in an answer without its values; the elements of a list count together."""
    if isinstance(value, dict):
        return {name: None if name in _FREE else keys(inner) for name, inner in value.items()}
    if isinstance(value, list):
        merged: dict[str, Any] = {}
        for one in value:
            inner = keys(one)
            if isinstance(inner, dict):
                merged.update({name: found for name, found in inner.items() if found or name not in merged})
        return merged or None
    return None


def short(value: Any) -> Any:
    """The value with one element in each list, and the same at every run."""
    if isinstance(value, dict):
        return {name: _timed(name, inner) for name, inner in value.items()}
    if isinstance(value, list):
        return [short(one) for one in value[:1]]
    if isinstance(value, str):
        return _stable(value)
    return round(value, 2) if isinstance(value, float) else value


def _printed(value: Any, indent: str = "") -> str:
    """JSON in which what fits on a line stands on one."""
    line = json.dumps(value, ensure_ascii=False)
    if len(indent) + len(line) <= _WIDTH or not isinstance(value, dict | list) or not value:
        return line
    deeper = f"{indent}  "
    if isinstance(value, dict):
        rows = [f"{deeper}{json.dumps(name)}: {_printed(inner, deeper)}" for name, inner in value.items()]
    else:
        rows = [f"{deeper}{_printed(inner, deeper)}" for inner in value]
    opened, closed = "{}" if isinstance(value, dict) else "[]"
    return "\n".join([opened, ",\n".join(rows), f"{indent}{closed}"])


def _timed(name: str, value: Any) -> Any:
    if name.endswith("_cursor") and value:
        return "…"
    if name == "timings":
        return dict.fromkeys(value, 1.5)
    return 1790000000 if name == "created" and isinstance(value, int) and value else short(value)


def _stable(text: str) -> str:
    text = _SECRET.sub("attune_…", text)
    text = _ID.sub(r"\1_…", _TIME.sub("2026-11-21T09:00:00Z", text))
    text = _HASH.sub("0f3c…", text)
    return text if len(text) <= _LONG else f"{text[:_LONG].rstrip()} …"


def _first_of_each(found: Sequence[Any]) -> list[Any]:
    """The first object of each type, the first and the last where they have none."""
    if not all("type" in one for one in found):
        return [found[0], *found[-1:]] if len(found) > 1 else list(found)
    return list({one["type"]: one for one in reversed(found)}.values())[::-1]


def _example(row: Mapping[str, Any]) -> Example:
    return Example(**{"url": row["route"].split(" ")[1], **row})


def _shown(chapter: Chapter, answers: Iterator[str]) -> Iterator[str]:
    yield f"## {chapter.title}\n"
    for example in chapter.examples:
        yield f"### `{example.route}`\n\n{example.does}\n\n```sh\n{example.command}\n```\n"
        wanted = "" if example.status == 200 else f"{example.status}:\n\n"
        yield f"{wanted}{next(answers)}\n"
