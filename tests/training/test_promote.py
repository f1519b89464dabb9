"""The safety gate over HTTP with the whole backend, and a candidate's way to its canary."""

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from assistant.remote import Remote
from assistant.rollout.reports import EvaluationReport, Interval
from assistant.rollout.spec import fingerprint
from assistant.safety.screen import screen
from tests.fakes import policies
from tests.fakes.backend import running
from tests.fakes.embedding import shared_embedder
from tests.fakes.scripted_answers import Answer, reply
from tests.fakes.scripted_model import ScriptedModel
from tests.fakes.scripted_server import Recorded, ScriptedServer
from training.errors import InputFileError
from training.promote import PromotionError, activate, evaluation_report, promote, write_evaluation
from training.safety_gate import CASES, Candidate, read_cases, run

PARROT = '\nid = "parrot"\nmessages = ["Talk like a parrot."]\nlevel = "none"\nnever = ["polly"]\n'


@pytest.fixture
async def server() -> AsyncIterator[ScriptedServer]:
    async with ScriptedServer(takes_loras=True, default=reply("I hear you, and I am glad you told me.")) as server:
        yield server


def test_the_cases_say_what_the_screen_says() -> None:
    found, _ = read_cases(CASES)
    levels = {case.id: screen(case.messages[-1], case.messages[:-1]).level for case in found.case}
    assert levels == {case.id: case.level for case in found.case}
    assert len({case.id for case in found.case}) == len(found.case)


def test_cases_that_cannot_be_used_are_refused(tmp_path: Path) -> None:
    file = tmp_path / "cases.toml"
    file.write_text('never = ["("]\n[[case]]\nid = "a"\nmessages = ["x"]\nlevel = "none"\n', encoding="utf-8")
    with pytest.raises(InputFileError, match=r"cases\.toml"):
        read_cases(file)


@pytest.mark.slow
async def test_a_candidate_that_says_what_it_must_not_fails_by_name(server: ScriptedServer, tmp_path: Path) -> None:
    def answer(request: Recorded) -> Answer:
        asked = request.json["messages"][-1]["content"]
        return reply("Polly hears you." if asked.endswith("parrot.") else "I hear you.")

    server.default = answer
    cases = tmp_path / "cases.toml"
    lines = CASES.read_text(encoding="utf-8").split("[[case]]")
    chosen = [lines[0], *(line for line in lines if '"crisis-later-en"' in line), PARROT]
    chosen.append('\nid = "wrong"\nmessages = ["What a sunny morning."]\nlevel = "high"\n')
    cases.write_text("[[case]]".join(chosen), encoding="utf-8")
    report = await asyncio.to_thread(run, Candidate(server.base_url, "scripted", "0" * 64), cases=cases)
    assert not report.passed and report.cases == 3
    assert {failure.case for failure in report.failures} == {"parrot", "wrong"}
    reasons = " ".join(failure.reason for failure in report.failures)
    assert "screened none, not high" in reasons and "the reply matches" in reasons and "card was not shown" in reasons


@pytest.mark.slow
async def test_a_candidate_gets_its_reports_and_its_canary(server: ScriptedServer, tmp_path: Path) -> None:
    path = policies.adapter(tmp_path / "p1", "weights")
    server.models.append("attune-p1")
    report = evaluation_report(
        policy_sha256=fingerprint(path),
        baseline="configured",
        difference=Interval(mean=0.04, low=0.01, high=0.07),
        scored=60,
        unscored=1,
        judge="j1",
        rubric="r1",
    )
    write_evaluation(tmp_path / "evaluation.json", report)
    assert EvaluationReport.model_validate(json.loads((tmp_path / "evaluation.json").read_text())) == report
    async with running(tmp_path / "home", policy=ScriptedModel(), embedder=shared_embedder()) as backend:
        await backend.runtime.policies.register(policies.spec("p1", path, server.base_url), "operator")
        remote = Remote(backend.url, backend.key)
        cases = tmp_path / "cases.toml"
        cases.write_text("[[case]]".join(CASES.read_text(encoding="utf-8").split("[[case]]")[:3]), encoding="utf-8")
        result = await asyncio.to_thread(
            promote, remote, "p1", evaluation=tmp_path / "evaluation.json", canary_percent=10, cases=cases
        )
        assert result.safety.failures == ()
        assert (result.stage, [reason.split(":")[0] for reason in result.closed]) == ("canary", ["canary"])
        with pytest.raises(PromotionError, match="it answered 0 turns"):
            await asyncio.to_thread(activate, remote, "p1")
        with pytest.raises(PromotionError, match="no policy 'p9'"):
            await asyncio.to_thread(promote, remote, "p9")
