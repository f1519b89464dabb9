"""Whether a message asks what is remembered, rather than about something that was said.

No single fact is near to "What do you know about me?", so it is answered with the newest ones. Whole phrases only, in a
few languages; a message that asks in other words is looked up like any other. A question for a job, a home or an age
shares no word with what answers it: it is looked up in the words of an answer. English only.
"""

from __future__ import annotations

import re

_ASKED = re.compile(
    r"\bwhat (?:all )?(?:do|did|can|have) you (?:still |already |even )?"
    r"(?:know|remember|recall|learn(?:ed|t)?|say|tell me)(?: so far)? (?:about|of) me\b"
    r"|\bwhat (?:do|have) (?:you|i) (?:remember|told? you)(?: so far| about (?:me|myself))?\s*\?*$"
    r"|\b(?:tell me|show me|list) (?:what|everything|all) (?:that )?you (?:know|remember)\b"
    r"|\bdo you (?:know|remember) (?:anything|something|much) about me\b|\bdo you (?:still )?remember me\b"
    r"|\bqué (?:sabes|recuerdas) (?:de|sobre) mí\b|\bwas (?:weißt|weisst) du (?:schon )?(?:über|von) mi(?:ch|r)\b"
    r"|\bque (?:sais-tu|savez-vous|tu sais) (?:de|sur) moi\b|\bqu'est-ce que tu sais (?:de|sur) moi\b"
    r"|\bo que (?:você |voce )?(?:sabe|lembra) (?:de|sobre) mim\b"
    r"|你(?:知道|记得|了解)(?:些|我)?.{0,4}(?:我什么|关于我|我的什么)|私について(?:何|なに)を(?:知って|覚えて)",
    re.IGNORECASE,
)


def asks_what_is_remembered(message: str) -> bool:
    """Say whether `message` asks what is known about the person as a whole."""
    return len(message) < 200 and _ASKED.search(message.strip()) is not None


_ANSWERS = tuple(
    (
        re.compile(rf"(?:so,? |and |hey,? |do you (?:know|remember) )?(?:{question})(?: again)?[?!. ]*", re.IGNORECASE),
        answer,
    )
    for question, answer in (
        (
            r"what(?:'s| is) my (?:job|work|profession|occupation)|what(?:'s| is) it that i do for a living",
            "I work as a",
        ),
        (r"what (?:do i do|i do) for (?:a living|work)|what do i work as|where (?:do i|i) work", "I work as a"),
        (r"where (?:do i|i) live|(?:which|what) (?:city|town) (?:do i|i) live in", "I live in"),
        (r"how old (?:am i|i am)|what(?:'s| is) my age", "I am years old"),
    )
)


def as_answered(message: str) -> str:
    """Return how an answer to `message` begins, for the few questions known; any other message as it is."""
    plain = message.strip().replace("\u2019", "'")
    return next((answer for question, answer in _ANSWERS if question.fullmatch(plain)), message)
