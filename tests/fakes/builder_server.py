"""A server that plays the model which builds data sets, and plants known defects; on real HTTP.

Every answer follows from the question alone, so that the same build gets the same answers in whatever order it asks.
What was planted is counted, each question once. Run as a process of its own for measurements:
`python -m tests.fakes.builder_server --seconds 2` prints its address.
"""

from __future__ import annotations

import argparse
import asyncio
import hashlib
import json
import re
from collections import Counter
from collections.abc import Callable
from typing import Any

from tests.fakes.scripted_answers import Answer, Scripted
from tests.fakes.scripted_server import Recorded, ScriptedServer
from tests.fakes.sessions import prose

Outcome = str
"""`ok`, or the kind of failure."""

CATEGORIES = ("emotional_support", "high_eq_interaction", "social_strategy")
TRAITS = ("openness", "conscientiousness", "extraversion", "agreeableness", "neuroticism")
REPEATED = "My sister forgot my birthday again and I do not know how to bring it up with her."

SHAPES: dict[str, tuple[Callable[[str], str], Outcome]] = {
    "fenced": (lambda text: f"```json\n{text}\n```", "ok"),
    "fenced after a sentence": (lambda text: f"Here it is:\n```\n{text}\n```\nAnything else?", "ok"),
    "between sentences": (lambda text: f"Sure! {text} I hope that helps.", "ok"),
    "after thinking": (lambda text: f"<think>It {{could}} be.</think>\n{text}", "ok"),
    "with a byte order mark": (lambda text: "\ufeff" + text, "ok"),
    "cut in the middle": (lambda text: text[: len(text) // 2], "garbled"),
    "without its first brace": (lambda text: text[1:], "garbled"),
    "single quotes": (lambda text: text.replace('"', "'"), "garbled"),
    "a comma too many": (lambda text: text[:-1] + ",}", "garbled"),
    "unquoted keys": (lambda text: re.sub(r'"(\w+)":', r"\1:", text), "garbled"),
    "prose": (lambda _: "The message fits the person well.", "garbled"),
    "empty": (lambda _: "", "garbled"),
    "blank": (lambda _: " \n\t ", "garbled"),
    "twice": (lambda text: f"{text}\n{text}", "garbled"),
    "a key twice": (lambda text: text[:-1] + ', "language": "de"}', "garbled"),
    "not a number": (lambda text: text[:-1] + ', "x": NaN}', "garbled"),
    "half a character": (lambda text: re.sub(r'"language": "\w+"', r'"language": "\\ud83d"', text), "garbled"),
    "a list": (lambda text: f"[{text}]", "schema"),
    "null": (lambda _: "null", "schema"),
    "a key too many": (lambda text: text[:-1] + ', "score": 5}', "schema"),
}
"""Twenty ways of writing JSON, and what comes of each."""


class ScriptedBuilder(ScriptedServer):
    """Plants a defect in about one of `every` questions that can carry it; 0 plants none."""

    def __init__(self, *, every: int = 0, seconds: float = 0.0, keep_requests: bool = True, **options: Any) -> None:
        super().__init__(**options)
        self.planted: Counter[str] = Counter()
        """By defect; of malformed JSON, `shape:` and its outcome."""
        self.shapes: Counter[str] = Counter()
        self.asked: Counter[str] = Counter()
        """How often each question came, by its hash."""
        self._every = every
        self._seconds = seconds
        self._keep = keep_requests
        self._noted: set[tuple[str, str]] = set()

    def choose(self, request: Recorded) -> Scripted:
        """Answer a question of the building; everything else as a scripted server does."""
        if not self._keep:
            self.requests.clear()
        wanted = request.json.get("response_format", {}).get("json_schema")
        if request.path != "/v1/chat/completions" or wanted is None:
            return super().choose(request)
        question = request.json["messages"][-1]["content"]
        key = hashlib.sha256(f"{wanted['name']}\0{question}".encode()).hexdigest()
        if self._keep:
            self.asked[key] += 1
        text = getattr(self, f"_{wanted['name']}")(question, key)
        tokens = (len(question) // 4, len(text) // 4)
        return Answer((text,), delay_s=self._seconds, usage=tokens)

    def _plants(self, key: str, defect: str) -> bool:
        if self._every == 0 or _number(key, defect) % self._every:
            return False
        if (key, defect) not in self._noted:
            self._noted.add((key, defect))
            self.planted[defect] += 1
        return True

    def _intents(self, question: str, key: str) -> str:
        return json.dumps({"intents": ["None of these" if self._plants(key, "other intent") else "Personal Advice"]})

    def _portrait(self, question: str, key: str) -> str:
        deep = not self._plants(key, "shallow")
        profile = f"They worry easily and hold on to people. {prose(key, 30)}" if deep else ""
        return json.dumps({"deep": deep, "reason": "It shows.", "topics": ["family"][: int(deep)], "profile": profile})

    def _big_five(self, question: str, key: str) -> str:
        return json.dumps({trait: ("low", "medium", "high")[_number(key, trait) % 3] for trait in TRAITS})

    def _situations(self, question: str, key: str) -> str:
        shown = [int(number) for number in re.findall(r'^\{"number": (\d+), "memory"', question, re.MULTILINE)]
        hidden = sorted(set(range(1, max(shown) + 1)) - set(shown))
        found = [
            {"category": category, "situation": f"They sit at home. {prose((key, place), 10)}", "memories": [shown[0]]}
            for place, category in enumerate(CATEGORIES)
        ]
        if self._plants(key, "no such memory"):
            found[0]["memories"] = [shown[0], 999]
        if hidden and self._plants(key, "error memory"):
            found[1]["memories"] = [hidden[0]]
        return json.dumps({"situations": found})

    def _query(self, question: str, key: str) -> str:
        if self._plants(key, "near duplicate"):
            return json.dumps({"query": REPEATED + "!" * (_number(key, "marks") % 3)})
        return json.dumps({"query": f"I do not know what to cook. {prose(key, 14)}"})

    def _inspection(self, question: str, key: str) -> str:
        answer = {"needs_support": True, "consistent": True, "in_role": True, "language": "en"}
        if REPEATED in question:
            return json.dumps(answer)
        if self._plants(key, "contradiction"):
            return json.dumps({**answer, "consistent": False})
        if self._plants(key, "out of role"):
            return json.dumps({**answer, "in_role": False})
        if self._plants(key, "malformed"):
            name = list(SHAPES)[_number(key, "shape") % len(SHAPES)]
            change, outcome = SHAPES[name]
            if (key, name) not in self._noted:
                self._noted.add((key, name))
                self.shapes[name] += 1
                self.planted[f"shape:{outcome}"] += 1
            return change(json.dumps(answer))
        return json.dumps(answer)

    def _real(self, question: str, key: str) -> str:
        numbers = [int(number) for number in re.findall(r'^\{"number": (\d+), "text"', question, re.MULTILINE)]
        picked = [{"number": numbers[-1], "category": CATEGORIES[_number(key, "real") % 3]}]
        if self._plants(key, "no such message"):
            picked.append({"number": 999, "category": CATEGORIES[0]})
        return json.dumps({"messages": picked})

    def _real_situation(self, question: str, key: str) -> str:
        return json.dumps({"situation": f"They had been alone for days. {prose(key, 10)}", "language": "en"})


def _number(key: str, salt: str) -> int:
    return int.from_bytes(hashlib.sha256(f"{key}{salt}".encode()).digest()[:6], "big")


async def _serve(seconds: float, every: int) -> None:
    async with ScriptedBuilder(every=every, seconds=seconds, keep_requests=False) as server:
        print(server.base_url, flush=True)  # noqa: T201
        await asyncio.Event().wait()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Play the model that builds data sets.")
    parser.add_argument("--seconds", type=float, default=0.0, help="How long each answer takes.")
    parser.add_argument("--every", type=int, default=0, help="Plant a defect in about one of so many questions.")
    options = parser.parse_args()
    asyncio.run(_serve(options.seconds, options.every))
