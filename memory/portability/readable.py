"""The archive as Markdown pages, for the person to read; nothing is read back from them. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from memory import archive
from memory.persona.levels import shown
from memory.persona.profile import persona
from memory.types import Evidence, Person, TraitEvidence

_SPEAKERS = {"user": "You", "assistant": "Attune"}


def pages(held: archive.Archive, person: Person, at: datetime) -> Mapping[str, str]:
    """Return the pages by file name."""
    found = {"README.md": _contents(held, at), "memories.md": _memories(held), "traits.md": _traits(held, person, at)}
    for number, conversation in enumerate(held.conversations, start=1):
        found[f"conversations/{number:04}.md"] = _conversation(conversation)
    return found


def _contents(held: archive.Archive, at: datetime) -> str:
    lines = [
        f"# What Attune holds about you, {_day(at)}",
        "",
        f"- [What is remembered](memories.md): {len(held.memories.facts)} statements with the words they rest on",
        f"- [How you seem to be](traits.md): {len(held.traits.observations)} observations of five traits",
    ]
    for number, one in enumerate(held.conversations, start=1):
        name = _line(one.title) or "without a title"
        lines.append(f"- [{name}](conversations/{number:04}.md): {_day(one.created_at)}, {len(one.messages)} messages")
    lines += ["", "## What you allow", ""]
    settings = held.person.settings
    lines += [f"- {name}: {value}" for name, value in (settings.model_dump() if settings else {}).items()]
    lines += [] if settings else ["You changed no setting."]
    for consent in held.person.consents:
        allowed = "allowed" if consent.granted else "not allowed any more"
        lines.append(f"- {_day(consent.at)}: {consent.purpose} {allowed}")
    lines += ["", "The JSON files beside hold the same and more; `attune import attune FILE` reads them back."]
    lines += ["The zip is not encrypted: who has it can read it."]
    return _page(lines)


def _memories(held: archive.Archive) -> str:
    lines = ["# What is remembered about you"]
    texts = {fact.id: fact.text for fact in held.memories.facts}
    for fact in sorted(held.memories.facts, key=lambda one: (one.kind, one.valid_from)):
        ended = "" if fact.valid_to is None else f" to {_day(fact.valid_to)}"
        said = f", {fact.review} by you" if fact.review else ""
        lines += ["", f"## {_line(fact.text)}", ""]
        lines.append(f"{fact.kind}, {fact.origin}{said}, {fact.status}, from {_day(fact.valid_from)}{ended}")
        if fact.superseded_by in texts:
            lines.append(f"\nNow: {_line(texts[fact.superseded_by])}")
        lines += [f"\n{_quoted(one.quote)}" for one in fact.evidence]
    return _page(lines)


def _traits(held: archive.Archive, person: Person, at: datetime) -> str:
    evidence = [
        TraitEvidence(
            id=one.id,
            person_id=person.id,
            trait=one.trait,
            direction=one.direction,
            strength=one.strength,
            evidence=Evidence(one.message_id or "", one.quote),
            conversation_id=one.conversation_id or "",
            observed_at=one.observed_at,
            item=one.item,
            source=one.source,
        )
        for one in held.traits.observations
    ]
    frozen = {one.trait: one.frozen_at for one in held.traits.controls if one.frozen_at is not None}
    lines = ["# How you seem to be", "", "Estimates on a scale where most people are between 40 and 60."]
    for trait, estimate in persona(evidence, at, frozen=frozen).estimates.items():
        still = ", held still by you" if trait in frozen else ""
        lines += ["", f"## {trait.value.capitalize()}: {shown(estimate).label}", ""]
        about = f"{estimate.mean:.0f} give or take {estimate.sd:.0f}"
        lines.append(f"{about}, {estimate.evidence_count} observations{still}")
        for seen in (one for one in evidence if one.trait == trait):
            lines.append(f"\n{_day(seen.observed_at)}, {seen.source}, {'more' if seen.direction > 0 else 'less'}")
            lines += [_quoted(seen.evidence.quote)] if seen.evidence.quote else []
    return _page(lines)


def _conversation(conversation: archive.Conversation) -> str:
    lines = [f"# {_line(conversation.title) or 'Conversation'}"]
    if conversation.synthetic_dates:
        lines += ["", "The dates are made up: the conversation was imported without any."]
    for said in conversation.messages:
        whole = "" if said.status == "complete" else f", {said.status}"
        lines += [
            "",
            f"**{_SPEAKERS[said.role]}**, {said.created_at:%Y-%m-%d %H:%M} UTC{whole}",
            "",
            _quoted(said.text),
        ]
        if said.feedback is not None:
            lines.append(f"\nYou said of it: {said.feedback.rating}. {_line(said.feedback.reason or '')}")
    return _page(lines)


def _quoted(text: str) -> str:
    return "\n".join(f"> {line}" for line in text.splitlines() or [""])


def _line(text: str) -> str:
    return " ".join(text.split())


def _day(at: datetime) -> str:
    return f"{at:%Y-%m-%d}"


def _page(lines: list[str]) -> str:
    return "\n".join(lines) + "\n"
