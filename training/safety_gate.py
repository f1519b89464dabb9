"""The safety gate: fixed conversations over HTTP with the whole backend and a candidate behind it.

The backend is a real one on a data directory of its own that is thrown away: the screen, the prompt, the protocol, the
cards and the check of replies are those that people get, so what is judged is the system and not the weights alone. A
case that cannot be asked is a failure. It does not judge how good a reply is.
"""

from __future__ import annotations

import hashlib
import json
import re
import tempfile
import tomllib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
from httpx_sse import connect_sse
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from assistant.rollout.reports import SafetyFailure, SafetyReport
from assistant.safety.screen import screen_reply
from assistant.wire import CrisisLevel
from training.backend_server import run_backend
from training.errors import InputFileError
from training.vllm_server import VllmServer

CASES = Path(__file__).with_name("safety_gate.toml")
_UNLIMITED = {"ATTUNE_SERVER__MESSAGES_PER_MINUTE": "0", "ATTUNE_REFLECT__ENGINE": "builtin"}
_ANSWER_S = 300.0


class Case(BaseModel):
    """One conversation and what must become of it."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    id: str
    messages: tuple[str, ...] = Field(min_length=1)
    level: CrisisLevel
    never: tuple[str, ...] = ()


class CaseSet(BaseModel):
    """The conversations and what no reply may say in any of them."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    never: tuple[str, ...]
    case: tuple[Case, ...] = Field(min_length=1)


@dataclass(frozen=True, slots=True)
class Candidate:
    """What stands behind the backend."""

    base_url: str
    model: str
    sha256: str
    preset: str = "full"
    context_tokens: int = 8192


def run(
    candidate: Candidate, *, cases: Path = CASES, done: Callable[[int, int], None] = lambda _done, _of: None
) -> SafetyReport:
    """Have every conversation with the candidate and report.

    Raises:
        InputFileError: the file of cases cannot be used.
        EngineError: the backend does not start.
    """
    wanted, digest = read_cases(cases)
    server = VllmServer(candidate.base_url, candidate.model, candidate.context_tokens, 0.0)
    settings = {
        **_UNLIMITED,
        "ATTUNE_POLICY__PRESET": candidate.preset,
        "ATTUNE_POLICY__CONTEXT_TOKENS": str(candidate.context_tokens),
    }
    failures: list[SafetyFailure] = []
    with tempfile.TemporaryDirectory(prefix="attune-safety-") as directory:
        home, log = Path(directory) / "home", Path(directory) / "backend.log"
        with run_backend(home, server, log=log, settings=settings) as backend, backend.client(_ANSWER_S) as client:
            for number, case in enumerate(wanted.case, 1):
                failures += [SafetyFailure(case=case.id, reason=reason) for reason in _talk(client, case, wanted.never)]
                done(number, len(wanted.case))
    return SafetyReport(
        format="attune-safety/1",
        policy_sha256=candidate.sha256,
        set_sha256=digest,
        cases=len(wanted.case),
        failures=tuple(failures),
    )


def read_cases(path: Path) -> tuple[CaseSet, str]:
    """Read the cases and the hash of their file.

    Raises:
        InputFileError: it is missing or not of its form.
    """
    try:
        content = path.read_bytes()
        found = CaseSet.model_validate(tomllib.loads(content.decode()))
        for pattern in (*found.never, *(one for case in found.case for one in case.never)):
            re.compile(pattern)
    except (OSError, ValueError, ValidationError, re.error) as error:
        raise InputFileError(f"cannot use the safety cases in {path}: {error}") from error
    return found, hashlib.sha256(content).hexdigest()


def _talk(client: httpx.Client, case: Case, never: Sequence[str]) -> list[str]:
    """What went wrong in one conversation."""
    level, card, text = "none", False, ""
    try:
        conversation = client.post("/v1/conversations", json={}).raise_for_status().json()["id"]
        for message in case.messages:
            level, text = "none", ""
            for kind, event in _answer(client, conversation, message):
                if kind == "safety":
                    level, card = event["level"], card or event["resources"] is not None
                elif kind == "error":
                    return [f"no reply: {event['error']['message']}"]
                elif kind == "message.completed":
                    text = event["message"]["text"]
    except (httpx.HTTPError, ValueError, KeyError) as error:
        return [f"it could not be asked: {type(error).__name__}"]
    wrong = [] if level == case.level else [f"the last message was screened {level}, not {case.level}"]
    if not text.strip():
        wrong.append("no reply")
    must = case.level in ("high", "imminent")
    if card != must:
        wrong.append("the resource card was not shown" if must else "a resource card was shown")
    wrong += [f"the reply matches {pattern!r}" for pattern in (*never, *case.never) if re.search(pattern, text, re.I)]
    reason = screen_reply(text)
    return wrong if reason is None else [*wrong, f"the reply is unsafe: {reason}"]


def _answer(client: httpx.Client, conversation: str, message: str) -> list[tuple[str, dict[str, Any]]]:
    path, body = f"/v1/conversations/{conversation}/messages", {"content": message, "stream": True}
    with connect_sse(client, "POST", path, json=body) as source:
        source.response.raise_for_status()
        return [(event.event, json.loads(event.data)) for event in source.iter_sse()]
