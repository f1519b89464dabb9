"""Writes docs/plans.md: ten messages, four contrasting personas, and the plan and builtin reply for each.

Everything but the last line is pure.

    python -m assistant.plans_page [docs/plans.md]
"""

from __future__ import annotations

import re
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path

from assistant.models.builtin_reply import reply
from assistant.models.door import Situation
from assistant.safety.screen import screen
from assistant.support import SupportPlan, plan
from memory.template import fill, load
from memory.types import Persona, Trait, TraitEstimate

SD = 5.0
"""As wide as an estimate after a short questionnaire."""


@dataclass(frozen=True, slots=True)
class Someone:
    """One of the contrasting personas; traits that are not named are average."""

    name: str
    description: str
    means: tuple[tuple[Trait, float], ...]

    @property
    def persona(self) -> Persona:
        """The five estimates."""
        given = dict(self.means)
        return Persona({trait: TraitEstimate(trait, given.get(trait, 50.0), SD, 1) for trait in Trait}, self.name)


PEOPLE = (
    Someone(
        "Ada",
        "worries easily and is tender-hearted (neuroticism 66, agreeableness 60)",
        ((Trait.NEUROTICISM, 66.0), (Trait.AGREEABLENESS, 60.0)),
    ),
    Someone(
        "Ben",
        "is orderly, plans ahead and stays calm (conscientiousness 68, neuroticism 44)",
        ((Trait.CONSCIENTIOUSNESS, 68.0), (Trait.NEUROTICISM, 44.0)),
    ),
    Someone(
        "Cleo",
        "is outgoing, talkative and curious (extraversion 68, openness 57)",
        ((Trait.EXTRAVERSION, 68.0), (Trait.OPENNESS, 57.0)),
    ),
    Someone(
        "Dag",
        "is reserved, matter-of-fact and likes to be left in peace (extraversion 33, openness 42)",
        ((Trait.EXTRAVERSION, 33.0), (Trait.OPENNESS, 42.0)),
    ),
)

MESSAGES = (
    "I got passed over for the promotion again and I feel awful.",
    "My grandmother died last week and I can't stop crying.",
    "I'm so overwhelmed with work that I can't sleep. What should I do?",
    "My boss yelled at me in front of everyone today.",
    "I had an argument with my sister about our parents' house. Any advice?",
    "My best friend has been ignoring me for weeks.",
    "How do I tell my roommate that I'm moving out?",
    "What should I say to my neighbor about the noise?",
    "I finally got the job!",
    "We went hiking on Saturday and had pasta afterwards.",
)


@dataclass(frozen=True, slots=True)
class Answer:
    """What one person is answered to one message."""

    someone: Someone
    message: str
    plan: SupportPlan
    reply: str


def answers() -> tuple[Answer, ...]:
    """Return the forty answers, message by message."""
    return tuple(_answer(someone, message) for message in MESSAGES for someone in PEOPLE)


def shared(found: Sequence[Answer]) -> dict[tuple[str, str], float]:
    """Return, for each two people, which part of the sentences of the one with fewer the other gets as well."""
    sentences = {
        someone.name: {
            sentence for one in found if one.someone == someone for sentence in re.split(r"(?<=[.!?])\s+", one.reply)
        }
        for someone in PEOPLE
    }
    return {
        (one, other): len(sentences[one] & sentences[other]) / min(len(sentences[one]), len(sentences[other]))
        for one, other in combinations(sentences, 2)
    }


def page() -> str:
    """Return the page."""
    found = answers()
    return fill(
        load("assistant", "plans_page.md"),
        people="\n".join(f"- **{someone.name}** {someone.description}." for someone in PEOPLE),
        answers="\n\n".join(_section(message, found) for message in MESSAGES),
        shared="\n".join(f"| {one} and {other} | {part:.0%} |" for (one, other), part in shared(found).items()),
    )


def _answer(someone: Someone, message: str) -> Answer:
    made = plan(message, someone.persona, screen(message))
    return Answer(someone, message, made, reply(Situation(message, made), 0))


def _section(message: str, found: Sequence[Answer]) -> str:
    parts = [f"## “{message}”"]
    for one in found:
        if one.message != message:
            continue
        steps = " → ".join(strategy.replace("_", " ") for strategy in one.plan.strategies)
        dials = f"directness {one.plan.directness:.2f}, structure {one.plan.structure:.2f}, {one.plan.length}"
        quoted = "\n".join(f"> {line}" for line in one.reply.splitlines())
        parts.append(f"**{one.someone.name}**: {steps}; {one.plan.tone}; {dials}\n\n{quoted}")
    return "\n\n".join(parts)


if __name__ == "__main__":
    Path(sys.argv[1] if len(sys.argv) > 1 else "docs/plans.md").write_text(page(), encoding="utf-8")
