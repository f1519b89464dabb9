from __future__ import annotations

import pytest

from training.peregrm.simulation import World, report, simulate


def test_shared_rulers_lower_the_variance_of_group_advantages_by_the_rulers_share_of_it() -> None:
    world = World()
    found = simulate(world)
    # Own rulers: (σ_ruler² + τ² + σ_noise²) / K; shared, σ_ruler² drops out when the group is centred.
    expected = (world.ruler_sd**2 + world.taste_sd**2 + world.noise_sd**2) / (world.taste_sd**2 + world.noise_sd**2)
    assert found.variance_factor == pytest.approx(expected, rel=0.1)
    assert found.advantage_error[1] < 0.6 * found.advantage_error[0]
    assert f"{found.variance_factor:.1f} times less" in report(world, found)


def test_rulers_that_do_not_differ_make_no_difference() -> None:
    assert simulate(World(ruler_sd=0)).variance_factor == pytest.approx(1, rel=0.05)


@pytest.mark.parametrize("constant_at", [0.6, 0.75, 0.8])
def test_masking_beats_constants_when_a_fifth_of_the_calls_fail(constant_at: float) -> None:
    found = simulate(World(failing=0.2, constant_at=constant_at))
    assert found.failure_error[1] < found.failure_error[0]
    assert found.failed_push[1] == 0
    assert found.failed_push[0] > 0.1
    assert found.alignment[1] > found.alignment[0] - 0.005


def test_without_failures_masking_changes_nothing() -> None:
    found = simulate(World(failing=0.0))
    assert found.failure_error[0] == pytest.approx(found.failure_error[1])
