"""What shared rulers and masking buy, on a simulated judge whose bias and noise are known.

Assumptions. A reply has a true quality q ~ N(0, 1) within its group. A call scores it as q + r + t + e, where
r ~ N(0, σ_ruler²) is how lenient the ruler happens to be, t ~ N(0, τ²) how much the ruler happens to favour this reply,
and e ~ N(0, σ_noise²) the judge's own noise. K calls are averaged. In the paper's way every reply meets K rulers of its
own; shared, a whole group meets the same K, so that r is the same for all of it and drops out when GRPO centres the
group; t and e stay. What is reported is the variance of centred scores over repeated judging of the same replies, and
the mean squared distance between GRPO's advantages and those that true quality deserves. Nothing here says how large
σ_ruler is for a real judge.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Array = NDArray[np.float64]

Handling = Literal["masked", "constant"]


@dataclass(frozen=True, slots=True)
class World:
    """The simulated judge and training."""

    groups: int = 2000
    rollouts: int = 8
    rounds: int = 4
    ruler_sd: float = 0.8
    """σ_ruler, in units of the spread of true quality."""
    taste_sd: float = 0.3
    """τ."""
    noise_sd: float = 0.5
    """σ_noise."""
    failing: float = 0.2
    """The share of rollouts whose judging fails."""
    constant_at: float = 0.6
    """The share of the scale that a failed call would be paid as (0.6 in the paper's released code)."""
    mean_share: float = 0.75
    """Where the policy's replies lie on that scale on average; it moves while the constant does not."""
    share_sd: float = 0.1
    """How far one unit of quality reaches on it."""
    repeats: int = 8
    """Times that the same replies are judged."""
    seed: int = 0


@dataclass(frozen=True, slots=True)
class Finding:
    """Each pair is the paper's way first, ours second."""

    variance: tuple[float, float]
    """Of unscaled group advantages over repeated judging: own rulers, shared rulers."""
    advantage_error: tuple[float, float]
    """Mean squared error of GRPO's advantages: own rulers, shared rulers."""
    failure_error: tuple[float, float]
    """Mean squared error of the judged replies' advantages when others fail: constant, masked."""
    alignment: tuple[float, float]
    """Correlation over all replies of what moves the policy (nought where masked) with what quality deserves."""
    failed_push: tuple[float, float]
    """Mean absolute advantage of the rollouts whose judging failed: constant, masked."""

    @property
    def variance_factor(self) -> float:
        """How many times less the advantages vary under shared rulers."""
        return self.variance[0] / self.variance[1]


def simulate(world: World) -> Finding:
    """Run the simulation; the same world gives the same finding."""
    import numpy as np

    random = np.random.default_rng(world.seed)
    quality = random.normal(size=(world.groups, world.rollouts))
    deserved = _scaled(quality)
    kinds = []
    for shared in (False, True):
        judged = np.stack([_judged(quality, world, random, shared=shared) for _ in range(world.repeats)])
        centred = judged - judged.mean(axis=2, keepdims=True)
        variance = float(centred.var(axis=0).mean())
        error = float(((_scaled(judged[0]) - deserved) ** 2).mean())
        kinds.append((variance, error, judged[0]))
    scores = kinds[1][2]
    failed = random.random(scores.shape) < world.failing
    constant = _advantages(scores, failed, world, "constant")
    masked = _advantages(scores, failed, world, "masked")
    return Finding(
        variance=(kinds[0][0], kinds[1][0]),
        advantage_error=(kinds[0][1], kinds[1][1]),
        failure_error=(_error(constant, deserved, ~failed), _error(masked, deserved, ~failed)),
        alignment=(_alignment(constant, deserved), _alignment(masked, deserved)),
        failed_push=(_push(constant, failed), _push(masked, failed)),
    )


def _judged(quality: Array, world: World, random: np.random.Generator, *, shared: bool) -> Array:
    groups, rollouts = quality.shape
    shape = (groups, 1 if shared else rollouts, world.rounds)
    ruler = random.normal(scale=world.ruler_sd, size=shape)
    taste = random.normal(scale=world.taste_sd, size=(groups, rollouts, world.rounds))
    noise = random.normal(scale=world.noise_sd, size=(groups, rollouts, world.rounds))
    judged: Array = quality + (ruler + taste + noise).mean(axis=2)
    return judged


def _advantages(scores: Array, failed: NDArray[np.bool_], world: World, handling: Handling) -> Array:
    """Return GRPO's advantages; NaN for what does not move the policy."""
    import numpy as np

    if handling == "constant":
        paid = (world.constant_at - world.mean_share) / world.share_sd
        return _scaled(np.where(failed, paid, scores))
    kept = np.where(failed, np.nan, scores)
    alone = (~failed).sum(axis=1, keepdims=True) < 2
    return _scaled(np.where(alone, np.nan, kept))


def _scaled(scores: Array) -> Array:
    import warnings

    import numpy as np

    with warnings.catch_warnings():
        # A group of which nothing is left has no mean, and moves nothing.
        warnings.simplefilter("ignore", RuntimeWarning)
        mean = np.nanmean(scores, axis=-1, keepdims=True)
        sd = np.nanstd(scores, axis=-1, ddof=1, keepdims=True)
    scaled: Array = (scores - mean) / (sd + 1e-6)
    return scaled


def _error(advantages: Array, deserved: Array, judged: NDArray[np.bool_]) -> float:
    import numpy as np

    return float(np.nanmean(((advantages - deserved) ** 2)[judged]))


def _alignment(advantages: Array, deserved: Array) -> float:
    import numpy as np

    return float(np.corrcoef(np.nan_to_num(advantages).ravel(), deserved.ravel())[0, 1])


def _push(advantages: Array, failed: NDArray[np.bool_]) -> float:
    import numpy as np

    return float(np.abs(np.nan_to_num(advantages[failed])).mean()) if failed.any() else 0.0


def report(world: World, found: Finding) -> str:
    """Say what was found, with the assumptions it rests on."""
    own, shared = found.variance
    lines = [
        f"Assumed: {world.groups} groups of {world.rollouts}, K = {world.rounds}; true quality has spread 1; a ruler's",
        f"leniency {world.ruler_sd:g}, its taste {world.taste_sd:g}, the judge's noise {world.noise_sd:g}.",
        "",
        f"Variance of group advantages over repeated judging: own rulers {own:.3f}, shared {shared:.3f}:"
        f" {found.variance_factor:.1f} times less.",
        f"Squared error of GRPO's advantages: own rulers {found.advantage_error[0]:.3f}, shared"
        f" {found.advantage_error[1]:.3f}.",
        "",
        f"With {world.failing:.0%} of the replies unscored, paid {world.constant_at:g} where replies average"
        f" {world.mean_share:g}, or masked:",
        f"squared error of the judged replies' advantages: constant {found.failure_error[0]:.3f}, masked"
        f" {found.failure_error[1]:.3f};",
        f"correlation of what moves the policy with what quality deserves: constant {found.alignment[0]:.3f}, masked"
        f" {found.alignment[1]:.3f};",
        f"mean push on replies that nobody judged: constant {found.failed_push[0]:.3f}, masked"
        f" {found.failed_push[1]:.3f}.",
    ]
    return "\n".join(lines)
