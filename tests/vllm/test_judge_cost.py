from __future__ import annotations

import pytest

from training.benchmarks.judge_cost import Load, measure, table
from training.vllm_server import VllmServer

pytestmark = [pytest.mark.vllm, pytest.mark.slow, pytest.mark.timeout(300)]

SMALL = Load(batch=2)


async def test_by_vllms_counters_shared_rulers_cost_less_than_half_of_the_papers_calls(server: VllmServer) -> None:
    paper, per_dimension, all_in_one = await measure(server.base_url, server.model, server.metrics_url, SMALL)
    assert paper.requests == 2 * 8 * 13
    assert per_dimension.requests == 2 * 8 * 4 + 2 * 3 * 4 <= 0.6 * paper.requests
    assert all_in_one.requests == 2 * 8 * 2 + 2 * 3 * 4 <= 0.5 * paper.requests
    for ours in (per_dimension, all_in_one):
        assert 0 < ours.computed_tokens < 0.85 * paper.computed_tokens
    assert table([paper, per_dimension, all_in_one]).count("\n") == 4
