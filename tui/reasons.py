"""Why a reply was said, in words, for the page and the plain mode. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from assistant import wire

RECALL = {
    "ok": "",
    "words": "What it remembers was looked through by words alone, not by meaning.",
    "off": "Recall was off for this reply.",
    "timeout": "Recall took too long, so nothing remembered was used.",
    "failed": "Recall failed, so nothing remembered was used.",
}
_PLAN = (
    ("category", "kind of message"),
    ("strategies", "helping skills, in order"),
    ("tone", "tone"),
    ("style", "how it talks with you"),
    ("length", "length"),
    ("avoid", "avoided"),
    ("asks_about", "one open question about"),
)


def headline(why: wire.Why) -> str:
    """Who answered and what there is to know first."""
    if not why.recorded:
        return "This reply was imported; nothing is known of how it was made."
    parts = [f"Answered by {why.policy_version or 'an unknown policy'}"]
    if why.crisis_level not in (None, "none"):
        parts.append(f"your message was screened as: {why.crisis_level}")
    return "; ".join(parts) + "."


def recall(why: wire.Why) -> str:
    """What became of recall where it is worth a sentence, and what was forgotten since."""
    gone = len(why.forgotten)
    since = f"{gone} that it used {'was' if gone == 1 else 'were'} forgotten since." if gone else ""
    return " ".join(part for part in (RECALL.get(why.recall or "ok", why.recall or ""), since) if part)


def plan(why: wire.Why) -> list[str]:
    """The plan of the reply, a line each; empty where there was none."""
    lines = [f"{name}: {_words(why.plan[field])}" for field, name in _PLAN if why.plan.get(field)]
    return [*lines, *(f"because {reason}" for reason in why.plan.get("because") or [])]


def persona(why: wire.Why) -> str:
    """With which persona it was planned."""
    if why.persona is None:
        return "Planned without a persona: it was off." if why.recorded else ""
    if not why.persona.current:
        return "Planned with estimates that have changed since; F2 shows them as they are now."
    return "Planned with these estimates (50 is the average):"


def technical(why: wire.Why) -> str:
    """What only the curious want to know."""
    times = ", ".join(f"{name.replace('_', ' ')} {ms:.0f} ms" for name, ms in why.timings.items())
    parts = (
        f"preset {why.preset}" if why.preset else "",
        f"prompt {why.prompt_hash}" if why.prompt_hash else "",
        times,
    )
    return " · ".join(part for part in parts if part)


def plain_lines(why: wire.Why) -> list[str]:
    """All of it as lines of text."""
    lines = [headline(why)]
    for fact in why.facts:
        ended = "" if fact.status == "active" else f" ({fact.status} since)"
        lines.append(f"{'known anyway' if fact.profile else 'remembered'}: {fact.id}  {fact.text}{ended}")
        lines += [f"  “{evidence.quote}”" for evidence in fact.evidence]
    if said := recall(why):
        lines.append(said)
    lines.append(persona(why))
    if why.persona is not None:
        lines += [f"  {trait}: {t_score:.0f}" for trait, t_score in why.persona.traits.items()]
    lines += [f"plan: {line}" for line in plan(why)]
    return [line for line in (*lines, technical(why)) if line]


def _words(value: Any) -> str:
    items = [str(item).replace("_", " ") for item in (value if isinstance(value, list | tuple) else [value])]
    sentences = any(item.endswith(".") for item in items)
    return " ".join(items) if sentences else ", ".join(items)
