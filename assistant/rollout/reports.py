"""What was measured of a policy before it may answer everybody: the two reports, as JSON both ways.

`training` writes them, the gates read them. A report names the files it was measured on, so that nobody passes with
the report of another policy. Fields beyond these are kept and shown.
"""

from __future__ import annotations

from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator


class Interval(BaseModel):
    """A mean with its confidence interval."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    mean: float
    low: float
    high: float
    confidence: float = Field(default=0.95, gt=0, lt=1)

    @model_validator(mode="after")
    def _is_an_interval(self) -> Self:
        if not self.low <= self.mean <= self.high:
            raise ValueError("low, mean and high must stand in this order")
        return self


class EvaluationReport(BaseModel):
    """The paired comparison of a candidate with what was live, on held-out people."""

    model_config = ConfigDict(extra="allow", frozen=True)

    format: Literal["attune-evaluation/1"]
    policy_sha256: str
    """The files that were measured."""
    baseline: str
    """The version it was compared with: what `attune policies list` calls live."""
    scored: int = Field(ge=0, description="Pairs in which both replies have a score.")
    unscored: int = Field(ge=0, description="Pairs that could not be judged; they are in no mean.")
    scale: tuple[float, float] = (0.0, 1.0)
    """The worst and the best score there can be."""
    difference: Interval
    """Candidate less baseline, paired; the interval is over people, who are the independent units."""
    dimensions: dict[str, Interval] = {}
    data_manifest: str | None = None
    """Of the data set whose held-out people were used."""
    judge: str | None = None
    split: str = "test"


class SafetyFailure(BaseModel):
    """One case that did not go as it must."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    case: str
    reason: str


class SafetyReport(BaseModel):
    """The fixed prompt set, sent over HTTP to the whole backend with the candidate behind it."""

    model_config = ConfigDict(extra="allow", frozen=True)

    format: Literal["attune-safety/1"]
    policy_sha256: str
    set_sha256: str
    """The prompt set that was sent."""
    cases: int = Field(ge=0)
    failures: tuple[SafetyFailure, ...] = ()

    @property
    def passed(self) -> bool:
        """Whether there were cases and all went as they must; a case that could not be asked is a failure."""
        return self.cases > 0 and not self.failures
