"""Who goes into training, who into the random test, and which kind of person is held out whole. Pure.

A person is in one split only. Out of distribution is one whole cluster of the five trait levels, by KModes (Huang
1998): for every k clusters are made from the same start (Cao 2009), and the k with the greatest mean silhouette under
the matching distance is taken, the smaller one of equals; of its clusters the one whose share is nearest to `ood_share`
is held out. Of everybody else a tenth, drawn with the seed, is the random test. People of one profile are alike to
KModes and always stay together.
"""

from __future__ import annotations

import hashlib
import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, ConfigDict, Field

from training.errors import DatasetError
from training.example import TRAITS, Level, Split, Trait

if TYPE_CHECKING:
    import numpy as np

LEVELS: tuple[Level, ...] = ("low", "medium", "high")
Profile = tuple[int, ...]
"""The five levels in the order of TRAITS, as places in LEVELS."""

_FITTED = 3_000
"""At most so many people, drawn with the seed, are clustered; everybody is then put into the nearest cluster."""
_PER_CLUSTER = 5
"""At least so many people a cluster on average; more clusters than that are not tried."""


class SplitRule(BaseModel):
    """How people are divided."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    seed: int = 0
    test_share: float = Field(default=0.1, gt=0, lt=0.5)
    """Of the people who are not held out."""
    ood: bool = True
    """Whether one kind of person is held out whole."""
    ood_share: float = Field(default=0.1, gt=0, lt=0.5)
    """The cluster whose share is nearest to this is held out."""
    k_from: int = Field(default=2, ge=2)
    k_to: int = Field(default=10, ge=2, le=50)
    min_test_people: int = Field(default=2, ge=1)
    """Below this a test says nothing."""
    min_ood_people: int = Field(default=2, ge=1)


@dataclass(frozen=True, slots=True)
class Clustering:
    """How the kind of person that is held out was found."""

    k: int
    silhouettes: Mapping[int, float]
    """The mean silhouette of every k that was tried."""
    held_out: Mapping[Trait, Level]
    """The mode of the cluster that is held out."""
    people: int
    """How many are in it."""


@dataclass(frozen=True, slots=True)
class SplitPlan:
    """Where everybody goes."""

    splits: Mapping[str, Split]
    clustering: Clustering | None
    """None where nobody is held out."""


def profile_of(levels: Mapping[Trait, Level]) -> Profile:
    """Return the five levels as numbers.

    Raises:
        KeyError, ValueError: a trait is missing or has no such level.
    """
    return tuple(LEVELS.index(levels[trait]) for trait in TRAITS)


def people_needed(rule: SplitRule) -> int:
    """Return how many people a data set needs under this rule."""
    random = math.ceil(rule.min_test_people / rule.test_share)
    if not rule.ood:
        return random
    return max(random + rule.min_ood_people, _PER_CLUSTER * rule.k_from)


def plan_splits(people: Mapping[str, Profile], rule: SplitRule) -> SplitPlan:
    """Divide people; the same people and rule give the same plan, in whatever order they come.

    Raises:
        DatasetError: there are too few people, or too few kinds of them; the message says how many it takes.
    """
    needed = people_needed(rule)
    if len(people) < needed:
        raise DatasetError(
            f"the data set holds {len(people)} people and needs {needed}: {rule.min_test_people} of the "
            f"{rule.test_share:.0%} that test it{' and a kind of person to hold out' if rule.ood else ''}. "
            "Repair: export more people, mix in a base set, or lower min_test_people (or set ood = false) under [split]"
        )
    order = sorted(people, key=lambda person: _draw(rule.seed, person))
    held_out, clustering = _hold_out(people, order, rule) if rule.ood else (frozenset[str](), None)
    rest = [person for person in order if person not in held_out]
    tested = set(rest[: max(rule.min_test_people, round(len(rest) * rule.test_share))])
    splits: dict[str, Split] = {
        person: "ood" if person in held_out else "test" if person in tested else "train" for person in sorted(people)
    }
    return SplitPlan(splits, clustering)


def _draw(seed: int, person: str) -> bytes:
    return hashlib.sha256(f"{seed}\0{person}".encode()).digest()


def _hold_out(
    people: Mapping[str, Profile], order: Sequence[str], rule: SplitRule
) -> tuple[frozenset[str], Clustering]:
    import numpy as np

    profiles = np.array([people[person] for person in order], dtype=np.int64)
    fitted = profiles[:_FITTED]
    most = min(rule.k_to, len(np.unique(fitted, axis=0)), len(fitted) // _PER_CLUSTER)
    tried = {k: _cluster(fitted, k, rule.seed) for k in range(rule.k_from, most + 1)}
    silhouettes = {k: score for k, (_, score) in tried.items()}
    remaining = math.ceil(rule.min_test_people / rule.test_share)
    for k in sorted(tried, key=lambda k: (-silhouettes[k], k)):
        model = tried[k][0]
        labels = model.predict(profiles)
        sizes = Counter(int(label) for label in labels)
        fit = [c for c, size in sizes.items() if rule.min_ood_people <= size <= len(order) - remaining]
        if fit:
            chosen = min(fit, key=lambda c: (abs(sizes[c] / len(order) - rule.ood_share), c))
            mode = {trait: LEVELS[int(v)] for trait, v in zip(TRAITS, model.cluster_centroids_[chosen], strict=True)}
            out = frozenset(person for person, label in zip(order, labels, strict=True) if label == chosen)
            return out, Clustering(k, silhouettes, mode, len(out))
    raise DatasetError(
        f"no kind of person can be held out: {len(people)} people have {len(set(people.values()))} different profiles, "
        f"and no cluster holds {rule.min_ood_people} people and leaves {remaining}. "
        "Repair: add people, or set ood = false under [split]"
    )


def _cluster(profiles: np.ndarray[Any, Any], k: int, seed: int) -> tuple[Any, float]:
    from kmodes.kmodes import KModes

    model = KModes(n_clusters=k, init="Cao", n_init=1, random_state=seed)
    model.fit(profiles)
    return model, _silhouette(profiles, model)


def _silhouette(profiles: np.ndarray[Any, Any], model: Any) -> float:
    """Return the mean silhouette under the matching distance (the share of traits that differ), exactly.

    People of one profile have the same one, so it is computed over the profiles, of which there are 243 at most.
    """
    import numpy as np

    kinds, counts = np.unique(profiles, axis=0, return_counts=True)
    labels = model.predict(kinds)
    clusters = np.unique(labels)
    if len(clusters) < 2:
        return -1.0
    distances = (kinds[:, None, :] != kinds[None, :, :]).mean(axis=2)
    members = (labels[:, None] == clusters[None, :]) * counts[:, None]
    sums, sizes = distances @ members, members.sum(axis=0)
    own = labels[:, None] == clusters[None, :]
    others = sizes[np.searchsorted(clusters, labels)] - 1
    within = sums[own] / np.maximum(others, 1)
    between = np.where(own, np.inf, sums / sizes).min(axis=1)
    scores = np.where(others > 0, (between - within) / np.maximum(np.maximum(between, within), 1e-12), 0.0)
    return float(np.average(scores, weights=counts))
