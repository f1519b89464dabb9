"""EmoBench: whether a model understands (EU) and applies (EA) emotions; accuracy, greedy, options in a permuted order.

EU asks for the emotion and for its cause; an item counts when both are right. The order of the options is decided by
the item and the seed. An answer that names no option is wrong; a call that fails is unanswered and in no mean.
"""

from __future__ import annotations

import asyncio
import hashlib
import random
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from memory.template import fill, load
from training.benchmarks.lines import BadLine, rows, usable
from training.caller import Caller
from training.calls import Call, CallError
from training.endpoint import Endpoint

Task = Literal["EU", "EA"]
_LETTERS = "ABCDEFGHIJ"
_ANSWER = re.compile(r"(?<![A-Za-z])([A-J])(?![A-Za-z])")


@dataclass(frozen=True, slots=True)
class Question:
    """One choice."""

    text: str
    options: tuple[str, ...]
    label: str


@dataclass(frozen=True, slots=True)
class Item:
    """One line: all its questions must be answered rightly."""

    id: str
    language: str
    scenario: str
    questions: tuple[Question, ...]


@dataclass(frozen=True, slots=True)
class Result:
    """How many items of a task and language were right."""

    right: int
    answered: int
    unanswered: int
    """Calls that failed; not counted as wrong."""

    @property
    def accuracy(self) -> float | None:
        """The share of the answered; None where nothing was."""
        return self.right / self.answered if self.answered else None


def read_items(path: Path, task: Task, complain: Callable[[str], None], language: str | None = None) -> list[Item]:
    """Return the items of a file; `complain` hears of each line that cannot be used.

    Raises:
        InputFileError: the file is missing or holds no item.
    """
    found = usable(path, _items(path, task), complain, needs="scenario, subject, language, choices and their label")
    return [item for item in found if language is None or item.language == language]


def permuted(item: Item, question: int, seed: int) -> tuple[str, ...]:
    """Return the options of a question in the order in which they are shown."""
    options = list(item.questions[question].options)
    digest = hashlib.sha256(f"{seed}|{item.language}|{item.id}|{question}".encode()).digest()
    random.Random(digest).shuffle(options)
    return tuple(options)


async def run_emobench(
    items: Sequence[Item],
    endpoint: Endpoint,
    cache: Path | None = None,
    seed: int = 0,
    done: Callable[[int, int], None] = lambda _done, _of: None,
) -> Result:
    """Ask everything and count.

    Raises:
        CallError: the server is not there.
    """
    finished = 0
    async with Caller.open(endpoint, cache) as caller:
        await caller.check()

        async def one(item: Item) -> bool | None:
            nonlocal finished
            try:
                right = [await _right(caller, item, place, seed) for place in range(len(item.questions))]
            except CallError as error:
                if error.fatal:
                    raise
                return None
            finally:
                finished += 1
                done(finished, len(items))
            return all(right)

        found = await asyncio.gather(*(one(item) for item in items))
    return Result(found.count(True), len(found) - found.count(None), found.count(None))


async def _right(caller: Caller, item: Item, place: int, seed: int) -> bool:
    options = permuted(item, place, seed)
    prompt = fill(
        load("training.benchmarks", "emobench.md"),
        scenario=item.scenario,
        question=item.questions[place].text,
        options="\n".join(f"{letter}. {option}" for letter, option in zip(_LETTERS, options, strict=False)),
    )
    call = Call(({"role": "user", "content": prompt},), temperature=0.0, seed=seed, tag="emobench")
    letters = _ANSWER.findall((await caller.ask(call)).text)
    place_said = _LETTERS.index(letters[-1]) if letters else len(options)
    return place_said < len(options) and options[place_said] == item.questions[place].label


def _items(path: Path, task: Task) -> Iterator[Item | BadLine]:
    for row in rows(path):
        if isinstance(row, BadLine):
            yield row
            continue
        try:
            values = row.values
            subject, chinese = str(values["subject"]), values["language"] == "zh"
            asked = _EU if task == "EU" else _EA
            questions = tuple(
                Question(
                    texts[chinese].format(subject=subject, kind=values.get("question type", "")),
                    tuple(str(option) for option in values[choices]),
                    str(values[label]),
                )
                for choices, label, texts in asked
            )
            for question in questions:
                if question.label not in question.options or len(question.options) > len(_LETTERS):
                    raise ValueError("the label is none of the choices")
            yield Item(str(values["qid"]), str(values["language"]), str(values["scenario"]), questions)
        except (KeyError, TypeError, ValueError) as error:
            yield BadLine(row.line, f"no item of {task}: {error}")


_EU = (
    ("emotion_choices", "emotion_label", ("Which emotion does {subject} end up with?", "{subject}最终的情绪是什么？")),
    ("cause_choices", "cause_label", ("Why does {subject} feel that way?", "{subject}为什么会有这种情绪？")),
)
_EA = (
    (
        "choices",
        "label",
        (
            "What is the most effective choice for {subject} ({kind})?",
            "对{subject}来说，最有效的选择是什么（{kind}）？",
        ),
    ),
)
