"""Whatever fits, or nearly fits, the served OpenAPI is answered as it promises, and never with a 5xx."""

from __future__ import annotations

import asyncio
import warnings
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, seed, settings
from schemathesis.checks import not_a_server_error
from schemathesis.core.failures import FailureGroup
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from tests.fakes.backend import Backend

CHECKS = [not_a_server_error, status_code_conformance, content_type_conformance, response_schema_conformance]
EXAMPLES = 15
"""Of every operation; enough to reach each field's limits, few enough for a test."""


@pytest.mark.slow
@pytest.mark.timeout(600)
async def test_no_request_brings_a_5xx_or_an_answer_that_the_schema_does_not_have(backend: Backend) -> None:
    found = await asyncio.to_thread(_try_everything, backend.url, backend.key)
    assert found.tried > 30
    assert not found.broken, "\n\n".join(found.broken)
    assert (await backend.client.get("/healthz")).status_code == 200


class _Found:
    def __init__(self) -> None:
        self.tried = 0
        self.broken: list[str] = []


def _try_everything(url: str, key: str) -> _Found:
    found = _Found()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        schema = schemathesis.openapi.from_url(f"{url}/openapi.json")
        for result in schema.get_all_operations():
            found.tried += 1
            operation: Any = result.ok()  # type: ignore[union-attr]  # a broken schema fails here, as it should
            try:
                _try(operation, {"authorization": f"Bearer {key}"})
            except (Exception, FailureGroup) as error:
                found.broken.append(f"{operation.label}: {str(error)[:600]}")
    return found


def _try(operation: Any, headers: dict[str, str]) -> None:
    @seed(8)
    @settings(
        max_examples=EXAMPLES,
        deadline=None,
        database=None,
        phases=[Phase.explicit, Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(case=operation.as_strategy())
    def check(case: Any) -> None:
        case.call_and_validate(headers=headers, checks=CHECKS, timeout=30)

    check()
