"""Metrics, logs and timings: what happened and how long it took, never what was said or by whom."""

from __future__ import annotations

import io
import json
import logging
import re
from collections.abc import Iterator

import pytest

from assistant import logs
from assistant.errors import ModelUnreachableError
from memory.errors import LedgerError
from tests.fakes.backend import Backend
from tests.fakes.scripted_model import ScriptedModel

SECRET = "Mirabelle sleeps badly since Tuesday"


def _value(text: str, sample: str) -> float:
    [line] = [line for line in text.splitlines() if line.startswith(sample + " ")]
    return float(line.rsplit(" ", 1)[1])


async def test_metrics_count_what_happens_without_naming_anybody(backend: Backend, model: ScriptedModel) -> None:
    conversation = await backend.conversation()
    await backend.say(conversation, SECRET)
    await backend.say(conversation, "I want to kill myself tonight, I have the pills here")
    model.replies.append(ModelUnreachableError("down"))
    assert (await backend.say(await backend.conversation(), "hello?")).status_code == 503
    assert await backend.runtime.worker.drain(240)
    text = (await backend.client.get("/metrics")).text
    assert _value(text, 'attune_turns_total{outcome="complete",policy_version="openai_compatible:scripted"}') == 2
    assert _value(text, 'attune_screened_total{level="imminent"}') == 1
    assert _value(text, 'attune_first_token_seconds_count{policy_version="openai_compatible:scripted"}') == 2
    assert 'attune_model_errors_total{code="model_unavailable"' in text
    assert _value(text, "attune_reflection_lag_seconds") == 0
    assert _value(text, "attune_waiting_replies") == _value(text, "attune_running_turns") == 0
    route = 'route="/v1/conversations/{conversation_id}/messages"'
    assert _value(text, f'attune_requests_total{{method="POST",{route},status="200"}}') == 2
    assert _value(text, f'attune_requests_total{{method="POST",{route},status="503"}}') == 1
    assert conversation not in text
    assert "Mirabelle" not in text
    assert not re.search(r"(con|per|msg|key|usr)_[0-9a-z]{8}", text)


async def test_a_response_says_how_long_its_steps_took(backend: Backend) -> None:
    answer = await backend.say(await backend.conversation(), "hello")
    steps = dict(re.findall(r"([\w-]+);dur=([\d.]+)", answer.headers["server-timing"]))
    assert {"recall", "first-token", "total"} <= set(steps)
    assert float(steps["recall"]) <= float(steps["total"])


@pytest.fixture
def written() -> Iterator[io.StringIO]:
    """Everything that is logged, as JSON lines."""
    text = io.StringIO()
    handler = logging.StreamHandler(text)
    handler.setFormatter(logs.formatter("json"))
    logging.getLogger().addHandler(handler)
    level = logs.ACCESS.level
    logs.ACCESS.setLevel(logging.INFO)
    yield text
    logs.ACCESS.setLevel(level)
    logging.getLogger().removeHandler(handler)


async def test_json_logs_hold_every_request_and_nothing_of_what_was_said(
    backend: Backend, written: io.StringIO
) -> None:
    conversation = await backend.conversation()
    answer = await backend.say(conversation, SECRET)
    lines = [json.loads(line) for line in written.getvalue().splitlines()]
    [line] = [line for line in lines if line.get("request_id") == answer.headers["x-request-id"]]
    assert (line["method"], line["route"]) == ("POST", "/v1/conversations/{conversation_id}/messages")
    assert line["status"] == 200
    assert line["ms"] > 0
    assert "Mirabelle" not in written.getvalue()
    assert conversation not in written.getvalue()


def test_an_exception_is_logged_without_what_a_library_quotes() -> None:
    try:
        try:
            raise ValueError(SECRET)
        except ValueError as cause:
            raise LedgerError("the ledger is full: make room") from cause
    except LedgerError as error:
        told = logs.told(error)
    assert "LedgerError: the ledger is full: make room" in told
    assert "because of ValueError" in told
    assert "test_observing.py" in told
    assert "Mirabelle" not in told
