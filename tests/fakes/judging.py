"""A judge's server whose scores a test decides, and one person's case to judge."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from typing import Any

from tests.fakes.scripted_answers import Scripted, reply
from tests.fakes.scripted_server import Recorded
from training.endpoint import Endpoint
from training.example import CriteriaSet, Criterion, Example, Memory
from training.peregrm.config import JudgeConfig

Grade = Callable[[str, str], float]
"""From the reply and the dimension (`bystander` for the outsider) to a share of the scale between 0 and 1."""

WRITER = "aaaa-bbbb"


def example(id: str = "e1", rulers: int = 4) -> Example:
    """One query of one person, with rulers for each dimension."""
    return Example(
        id=id,
        person="p1",
        category="emotional_support",
        query="My sister has stopped answering me and I keep checking my phone.",
        prompt=({"role": "user", "content": "My sister has stopped answering me."},),
        persona="A reserved night nurse who thinks before speaking and dislikes being pushed.",
        situation="Home after a shift, three weeks after a quarrel about their mother's house.",
        memory=(Memory("Works night shifts on a cardiac ward in Porto."), Memory("Quarrelled with her sister Ana.")),
        big_five={"neuroticism": "high", "extraversion": "low"},
        split="train",
        criteria={name: tuple(ruler(name, n) for n in range(rulers)) for name in DIMENSIONS},
    )


DIMENSIONS: tuple[Any, ...] = ("resonation", "expression", "reception")


def ruler(name: str, n: int) -> CriteriaSet:
    """One ruler, told apart by its number."""
    texts = (f"Slows down before advising ({name} {n})", f"Leaves the next step to them ({name} {n})")
    return CriteriaSet(tuple(Criterion(text, 50.0) for text in texts), WRITER)


def config_of(base_url: str, **changes: Any) -> JudgeConfig:
    """A judge at a scripted server."""
    endpoint = Endpoint(base_url=base_url, model="scripted", timeout_s=30, retries=changes.pop("retries", 2))
    return JudgeConfig(endpoint=endpoint, **changes)


def reply_in(request: Mapping[str, Any]) -> str:
    """The reply that a judge's prompt holds."""
    found = re.findall(r"^reply: (.*)$", str(request["messages"][-1]["content"]), re.MULTILINE)
    return str(json.loads(found[-1]))


def dimension_in(request: Mapping[str, Any]) -> str:
    """Which dimension a judge's prompt asks about; `bystander`, or `all`."""
    text = str(request["messages"][-1]["content"])
    if "outsider" in str(request["messages"][0]["content"]):
        return "bystander"
    found = re.search(r"grade the reply on (\w+) alone|on one dimension only: (\w+)\.", text)
    return (found[1] or found[2]) if found else "all"


def grading(grade: Grade, **changes: Any) -> Callable[[Recorded], Scripted]:
    """Answer as a judge who gives each dimension what `grade` says, in whatever form is asked for."""

    def answer(request: Recorded) -> Scripted:
        said, name = reply_in(request.json), dimension_in(request.json)
        wanted = request.json.get("response_format")
        if wanted is None:
            share = grade(said, name)
            text = str(request.json["messages"][-1]["content"])
            count = 5 if name == "bystander" else max(1, len(re.findall(rf"^{name} ruler \d+:", text, re.MULTILINE)))
            top = 20 if name == "bystander" else 5
            box = ", ".join(f"{share * top:g}" for _ in range(count))
            return reply(rf"The demands \boxed{{0}} are met so: \boxed{{{box}}}", usage=(100, 20), **changes)
        schema = wanted["json_schema"]["schema"]
        return reply(json.dumps(_filled(schema, said, name, grade)), usage=(100, 20), **changes)

    return answer


def _filled(schema: Mapping[str, Any], said: str, name: str, grade: Grade) -> Any:
    if schema["type"] == "object":
        return {
            key: _filled(one, said, key if one["type"] == "object" else name, grade)
            for key, one in schema["properties"].items()
        }
    score = grade(said, name) * schema["maximum"]
    return max(schema["minimum"], round(score) if schema["type"] == "integer" else score)
