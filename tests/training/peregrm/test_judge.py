from __future__ import annotations

import asyncio
import json
import math
import os
import time
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from tests.fakes.judging import DIMENSIONS, config_of, dimension_in, example, grading, ruler
from tests.fakes.scripted_answers import Scripted, cut_after, drop, error, reply
from tests.fakes.scripted_server import Recorded, ScriptedServer
from training.errors import DatasetError
from training.example import CriteriaSet, Criterion
from training.peregrm.arithmetic import reward
from training.peregrm.case import Case, Reply
from training.peregrm.drawing import draw
from training.peregrm.judge import Judge, judge_identity
from training.peregrm.rubric import load_rubric
from training.peregrm.verdict import MixedJudgesError, Unscored, Verdict

TEXT = "That silence must be loud after a night shift. Would it help to leave the phone in another room for an hour?"
FORMS = [
    {"mode": "paper", "rounds": 4},
    {"mode": "shared", "rounds": 4},
    {"mode": "shared", "rounds": 4, "answers": "boxed"},
    {"mode": "shared", "rounds": 4, "calls": "all_in_one"},
]
CALLS = [13, 4, 4, 2]


def rulers(visit: int = 0) -> dict[str, tuple[CriteriaSet, ...]]:
    return draw("e1", example().criteria, 4, visit, 0)


async def scored(server: ScriptedServer, text: str = TEXT, **changes: Any) -> Verdict | Unscored:
    async with Judge.open(config_of(server.base_url, **changes)) as judge:
        return await judge.score(Case.of(example()), Reply.of(text), rulers())


@pytest.mark.parametrize(("form", "calls"), list(zip(FORMS, CALLS, strict=True)))
async def test_a_reply_is_scored_in_every_form_with_so_many_calls(form: dict[str, Any], calls: int) -> None:
    async with ScriptedServer(default=grading(lambda _, name: 0.6 if name == "bystander" else 0.8)) as server:
        verdict = await scored(server, **form)
    assert isinstance(verdict, Verdict)
    assert {name: set(scores) for name, scores in verdict.rounds.items()} == {name: {4.0} for name in DIMENSIONS}
    assert {len(scores) for scores in verdict.rounds.values()} == {4}
    assert verdict.bystander is not None and set(verdict.bystander.values()) == {12.0}
    assert verdict.calls == len(server.chats) == calls


@pytest.mark.parametrize("broken", [(), (CriteriaSet((), "w"),), (CriteriaSet((Criterion("Waits", 100),), ""),)])
async def test_dimensions_without_rulers_or_without_their_writer_are_refused_and_nothing_is_asked(
    broken: tuple[CriteriaSet, ...],
) -> None:
    async with ScriptedServer() as server, Judge.open(config_of(server.base_url)) as judge:
        for empty in ({}, dict.fromkeys(DIMENSIONS, broken)):
            with pytest.raises(DatasetError, match="attune-train criteria"):
                await judge.score(Case.of(example()), Reply.of(TEXT), empty)
        assert not server.chats


RECORDED = {
    "resonation": [r"Demands: a. Reply quotes \boxed{5}. \boxed{4}", r"\boxed{3}", r"\boxed{4}", "x\n\\boxed{3}"],
    "expression": [r"\boxed{2}", r"\boxed{2.5}", r"\boxed{3}", r"\boxed{2.5}"],
    "reception": [r"\boxed{5}", r"\boxed{5}", r"\boxed{4}", r"\boxed{4}"],
    "bystander": [json.dumps(dict(zip(load_rubric().bystander, (14, 16, 12, 18, 10), strict=True)))],
}


async def test_paper_mode_makes_the_papers_reward_of_recorded_answers() -> None:
    left = {name: list(texts) for name, texts in RECORDED.items()}
    async with ScriptedServer(default=lambda request: reply(left[dimension_in(request.json)].pop(0))) as server:
        verdict = await scored(server, mode="paper", rounds=4)
    assert isinstance(verdict, Verdict) and verdict.bystander is not None
    found = reward(
        verdict.rounds,
        dict.fromkeys(verdict.rounds, 5.0),
        list(verdict.bystander.values()),
        combine="harmonic",
        penalty=0.5,
    )
    # By hand: 14/20, 10/20, 18/20; 3 / (10/7 + 2 + 10/9) = 189/286; the bystander's 70 of 100 costs 0.15.
    assert math.isclose(found.value, 189 / 286 - 0.15, abs_tol=1e-9)


async def test_what_a_group_shares_stands_before_the_reply_and_the_dimension_after_it() -> None:
    async with ScriptedServer(default=grading(lambda *_: 0.5)) as server:
        await scored(server, "One reply.")
        await scored(server, "Another reply.")
    prompts: dict[str, list[str]] = {}
    for request in server.chats:
        whole = "".join(message["content"] for message in request.json["messages"])
        prompts.setdefault("bystander" if dimension_in(request.json) == "bystander" else "person", []).append(whole)
    for texts in prompts.values():
        before = {text[: text.index("reply: ")] for text in texts}
        assert len(before) == 1
    assert "night nurse" not in prompts["bystander"][0]
    assert all(text.index("ruler 1") < text.index("reply: ") for text in prompts["person"])


async def test_the_thinking_of_a_reply_is_not_judged() -> None:
    async with ScriptedServer(default=grading(lambda *_: 0.5)) as server:
        await scored(server, "<think>She is reserved.</think>\n\nHello.")
    assert all("She is reserved" not in json.dumps(request.json) for request in server.chats)


FAILURES: dict[str, Scripted] = {
    "garbled": reply("I would rather not give numbers."),
    "schema": reply('{"ruler_1": 9, "ruler_2": 3, "ruler_3": 3, "ruler_4": 3}'),
    "missing": reply('{"ruler_1": 3}'),
    "refused": error(401),
    "unreachable": error(503),
    "dropped": drop(),
    "cut": cut_after('{"ruler_1": 3'),
}


@pytest.mark.parametrize("failure", FAILURES)
async def test_a_reply_that_cannot_be_scored_is_unscored_after_retries(failure: str) -> None:
    async with ScriptedServer(default=FAILURES[failure]) as server:
        outcome = await scored(server, retries=0)
    assert isinstance(outcome, Unscored)
    assert outcome.message
    usable_again = failure in ("garbled", "schema", "missing")
    assert outcome.calls == len(server.chats) == (12 if usable_again else 4)


async def test_an_unusable_answer_is_asked_for_again_with_another_seed() -> None:
    good = grading(lambda *_: 1.0)
    async with ScriptedServer(*[reply("hm")] * 4, default=good) as server:
        verdict = await scored(server)
    assert isinstance(verdict, Verdict) and verdict.calls == 8
    assert len({request.json["seed"] for request in server.chats}) == 2


def test_every_part_of_the_way_of_measuring_is_in_the_identity() -> None:
    base = config_of("http://127.0.0.1:1/v1")
    other_model = base.model_copy(update={"endpoint": base.endpoint.model_copy(update={"model": "other"})})
    hotter = base.model_copy(update={"endpoint": base.endpoint.model_copy(update={"temperature": 1.0})})
    others = [base.model_copy(update=form) for form in FORMS if form != {"mode": "shared", "rounds": 4}]
    found = [judge_identity(one) for one in (base, other_model, hotter, *others)]
    assert len(set(found)) == len(found)
    elsewhere = base.model_copy(
        update={"endpoint": base.endpoint.model_copy(update={"base_url": "http://10.0.0.1/v1"})}
    )
    assert judge_identity(elsewhere) == judge_identity(base)


async def test_rulers_of_two_writers_are_refused() -> None:
    mixed = {"resonation": (ruler("resonation", 0), CriteriaSet(ruler("resonation", 1).criteria, "other"))}
    async with Judge.open(config_of("http://127.0.0.1:1/v1")) as judge:
        with pytest.raises(MixedJudgesError, match="writers"):
            await judge.score(Case.of(example()), Reply("hi"), mixed)


async def test_perm_sees_no_person_and_rlpa_adds_notes_and_reply() -> None:
    async with ScriptedServer(default=grading(lambda *_: 1.0)) as server:
        perm = await scored(server, preset="perm", rounds=2)
        assert isinstance(perm, Verdict) and perm.calls == 7
        assert all("night nurse" not in json.dumps(request.json) for request in server.chats)
        rlpa = await scored(server, "<think>Reserved, tired.</think>Hello.", preset="rlpa", rounds=1)
        empty = await scored(server, "Hello.", preset="rlpa", rounds=1)
    assert isinstance(rlpa, Verdict) and isinstance(empty, Verdict)
    assert rlpa.rounds == {"profile": (1.0,), "response": (1.0,)} and rlpa.bystander is None
    assert empty.rounds == {"response": (1.0,), "profile": (0.0,)}


def test_a_step_draws_the_same_rulers_for_a_group_and_others_at_the_next_visit() -> None:
    pools = example(rulers=8).criteria
    assert draw("e1", pools, 4, 3, 0) == draw("e1", pools, 4, 3, 0)
    assert draw("e1", pools, 4, 3, 0) != draw("e1", pools, 4, 4, 0)
    assert all(len(set(drawn)) == 4 for drawn in draw("e1", pools, 4, 3, 0).values())


async def test_a_thousand_verdicts_of_a_server_that_fails_in_every_way_are_all_accounted_for() -> None:
    """Slow, cut off, garbled and rate-limited in turn, with a bound of 16 calls at once."""
    good, slow = grading(lambda *_: 0.8), grading(lambda *_: 0.8, delay_s=0.0005)
    seen: Counter[str] = Counter()

    def say(request: Recorded) -> Scripted:
        kind = ("good", "slow", "good", "cut", "good", "garbled", "good", "limited")[sum(seen.values()) % 8]
        seen[kind] += 1
        if kind == "cut":
            return cut_after('{"ruler_1": 4')
        if kind == "garbled":
            return reply("no numbers, sorry")
        if kind == "limited":
            return error(429, retry_after="0")
        return slow(request) if kind == "slow" else good(request)

    longest, running = 0.0, True

    async def beat() -> None:
        nonlocal longest
        while running:
            begun = time.perf_counter()
            await asyncio.sleep(0.01)
            longest = max(longest, time.perf_counter() - begun)

    held = _resident_mib()
    async with ScriptedServer(default=say) as server:
        server.requests = counted = _Counted()
        config = config_of(server.base_url, rounds=4, retries=6, calls="all_in_one", tries=3)
        config = config.model_copy(update={"endpoint": config.endpoint.model_copy(update={"concurrency": 16})})
        async with Judge.open(config) as judge:
            heart = asyncio.create_task(beat())
            case, drawn = Case.of(example()), rulers()
            outcomes = await asyncio.gather(*(judge.score(case, Reply(f"reply {n}"), drawn) for n in range(1000)))
            running = False
            await heart
            accounts = dict(judge.accounts)
    verdicts = [one for one in outcomes if isinstance(one, Verdict)]
    unscored = [one for one in outcomes if isinstance(one, Unscored)]
    assert len(verdicts) + len(unscored) == 1000
    assert len(verdicts) > 900
    assert all(score == 4.0 for one in verdicts for scores in one.rounds.values() for score in scores)
    answered = sum(account.calls for account in accounts.values())
    failed = sum(account.failed for account in accounts.values())
    retried = sum(account.retries for account in accounts.values())
    assert answered + failed == sum(one.calls for one in outcomes)
    assert answered + failed + retried == sum(seen.values()) == counted.arrived
    assert longest < 5
    assert _resident_mib() - held < 200


def _resident_mib() -> float:
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20


class _Counted(list[Recorded]):
    """Counts requests and keeps none, so that the test itself holds no thousand prompts."""

    arrived = 0

    def append(self, _: Recorded) -> None:
        self.arrived += 1
