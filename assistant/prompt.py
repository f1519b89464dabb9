"""From plan, persona, history, facts and message to the messages of a prompt; shared by serving and training. Pure.

The order serves prefix caching: the fixed system text and how to talk with this person (which changes slowly), then the
history as it was said, and last, in one message, what changes every time: recalled facts, what is known anyway and was
not recalled, the plan, and the newest words. Facts never enter the history, so that a conversation's prompts grow by
appending. The preset `paper` knows memories, what is known anyway, and the message; `full` adds persona and plan. In a
crisis both carry the protocol.
"""

from __future__ import annotations

import hashlib
import math
import re
from collections.abc import Sequence
from typing import Literal

from assistant.models.door import ChatMessage
from assistant.safety.protocol import guidance
from assistant.support import Strategy, SupportPlan, elicited
from memory.template import fill, load
from memory.tokens import estimate_tokens
from memory.types import Message, Persona, TraitEstimate

Preset = Literal["full", "paper"]
COMPOSE_VERSION = 2
"""Raised whenever the same input gives other messages; part of the prompt hash."""

_MESSAGE_TOKENS = 4
"""What a chat template adds to each message, estimated."""
_STEPS = 8
"""History is cut in steps of this part of the budget, so that the cut, and with it the cached prefix, seldom moves."""
_UNKNOWN_SD = 9.0
"""With a wider posterior than this a trait is not yet known."""
_FILES: dict[Preset, tuple[str, ...]] = {
    "paper": ("prompt.md", "prompt_memories.md", "prompt_profile.md"),
    "full": ("prompt.md", "prompt_memories.md", "prompt_profile.md", "prompt_person.md", "prompt_plan.md"),
}
_STRATEGIES: dict[Strategy, str] = {
    "question": "ask one open question",
    "restatement": "say in your own words what they mean, specifically",
    "reflection_of_feelings": "name the feeling beneath the words, tentatively",
    "affirmation": "acknowledge a strength or an effort that really shows",
    "providing_suggestions": "offer one or two concrete suggestions",
    "information": "give the information that helps",
}
_LENGTHS = {"short": "one or two sentences", "medium": "one short paragraph", "long": "two or three short paragraphs"}


def compose(
    preset: Preset,
    *,
    plan: SupportPlan | None,
    persona: Persona | None,
    history: Sequence[Message],
    facts: Sequence[str],
    message: str,
    profile: Sequence[str] = (),
    context_tokens: int = 8192,
    max_reply_tokens: int = 1024,
) -> tuple[ChatMessage, ...]:
    """Return the prompt for `message`, the last of whose messages ends with it word for word.

    `facts` are what the message called up, `profile` what is known anyway; both come best first. Where the estimate
    goes beyond `context_tokens` less `max_reply_tokens`, the oldest turns are left out, then the profile from its end,
    then the least relevant facts; never the newest message, even if it alone is too long.
    """
    system = _system(preset, plan, persona)
    notes = _plan_note(plan) if preset == "full" and plan is not None and not plan.crisis else ""
    budget = context_tokens - max_reply_tokens - _cost(system)
    kept, about = list(facts), list(profile)
    while (kept or about) and _cost(_newest(kept, about, notes, message)) > budget:
        (about or kept).pop()
    newest = _newest(kept, about, notes, message)
    turns = _fitting(_turns(history), budget - _cost(newest), budget // _STEPS)
    return _joined([{"role": "system", "content": system}, *turns, {"role": "user", "content": newest}])


def prompt_hash(preset: Preset) -> str:
    """Return a stable hash of the prompt files of `preset` and of how they are composed."""
    digest = hashlib.sha256(f"{preset}\0{COMPOSE_VERSION}".encode())
    for name in _FILES[preset]:
        digest.update(f"\0{name}\0{load('assistant', name)}".encode())
    return digest.hexdigest()[:16]


def _cost(text: str) -> int:
    return estimate_tokens(text) + _MESSAGE_TOKENS


def _system(preset: Preset, plan: SupportPlan | None, persona: Persona | None) -> str:
    parts = [load("assistant", "prompt.md").strip()]
    if preset == "full" and plan is not None:
        parts.append(_person_note(plan, persona))
    if plan is not None and plan.crisis:
        parts.append(guidance(plan.level, plan.crisis_categories))
    return "\n\n".join(parts)


def _person_note(plan: SupportPlan, persona: Persona | None) -> str:
    traits = [f"- {trait}: {_level(estimate)}" for trait, estimate in persona.estimates.items()] if persona else []
    return fill(
        load("assistant", "prompt_person.md"),
        traits="\n".join(traits) or "- not yet known",
        tone=plan.tone,
        style="\n".join(f"- {line}" for line in plan.style)
        or "- No preference is known yet: be warm and clear, and follow their lead.",
    ).strip()


def _level(estimate: TraitEstimate) -> str:
    """Say a trait in words, so that a small change of the estimate does not change the prompt."""
    if estimate.sd > _UNKNOWN_SD:
        return "not yet known"
    if abs(estimate.mean - 50) < 4:
        return "about average"
    side = "high" if estimate.mean > 50 else "low"
    return side if abs(estimate.mean - 50) >= 10 else f"rather {side}"


def _plan_note(plan: SupportPlan) -> str:
    manner = (
        f"{_LENGTHS[plan.length]}.",
        _by_degree(plan.directness, "Go gently around the point.", "Come to the point."),
        _by_degree(plan.structure, "Leave all the room.", "Give a clear structure."),
    )
    return fill(
        load("assistant", "prompt_plan.md"),
        category=plan.category.replace("_", " "),
        strategies="; ".join(_STRATEGIES[strategy] for strategy in plan.strategies) + _asking(plan),
        manner=" ".join(part for part in manner if part),
        avoid="; ".join(plan.avoid) or "platitudes",
    ).strip()


def _asking(plan: SupportPlan) -> str:
    return f" (if it comes naturally: {elicited(plan.asks_about)}; they need not answer)" if plan.asks_about else ""


def _by_degree(value: float, low: str, high: str) -> str:
    return low if value < 0.4 else high if value > 0.6 else ""


def _newest(facts: Sequence[str], profile: Sequence[str], notes: str, message: str) -> str:
    """The newest message after what belongs to it; fenced blocks first, the person's words last and untouched."""
    memories, known = _fenced("prompt_memories.md", facts), _fenced("prompt_profile.md", profile)
    return "\n\n".join(part for part in (memories, known, notes, message) if part)


def _fenced(name: str, facts: Sequence[str]) -> str:
    lines = "\n".join(f"- {_defused(fact)}" for fact in facts)
    return fill(load("assistant", name), facts=lines).strip() if facts else ""


def _defused(fact: str) -> str:
    """A fact on one line, unable to close its fence or open another block."""
    return re.sub(r"\s+", " ", fact).strip().replace("<", "‹").replace(">", "›")


def _turns(history: Sequence[Message]) -> list[list[ChatMessage]]:
    """The history as turns, each beginning with the person's words; what stands before the first is left out."""
    turns: list[list[ChatMessage]] = []
    for one in history:
        if not one.text or one.status == "failed":
            continue
        if one.role == "user":
            turns.append([{"role": "user", "content": one.text}])
        elif turns:
            turns[-1].append({"role": "assistant", "content": one.text})
    return turns


def _fitting(turns: list[list[ChatMessage]], room: int, step: int) -> list[ChatMessage]:
    """The newest turns that fit into `room`, cut at a boundary that moves in steps."""
    costs = [sum(_cost(message["content"]) for message in turn) for turn in turns]
    excess = sum(costs) - room
    to_drop = math.ceil(excess / step) * step if excess > 0 and step > 0 else excess
    first = 0
    while first < len(turns) and to_drop > 0:
        to_drop -= costs[first]
        first += 1
    return [message for turn in turns[first:] for message in turn]


def _joined(messages: list[ChatMessage]) -> tuple[ChatMessage, ...]:
    """Join neighbors of the same role, because many chat templates demand that roles alternate."""
    joined: list[ChatMessage] = []
    for message in messages:
        if joined and joined[-1]["role"] == message["role"]:
            joined[-1] = {"role": message["role"], "content": f"{joined[-1]['content']}\n\n{message['content']}"}
        else:
            joined.append(message)
    return tuple(joined)
