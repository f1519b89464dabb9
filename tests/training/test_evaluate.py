import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from assistant.rollout.reports import EvaluationReport
from tests.fakes.embedding import shared_embedder
from tests.fakes.examples import examples
from tests.fakes.judging import grading
from tests.fakes.scripted_answers import Scripted, reply
from tests.fakes.scripted_server import Recorded, ScriptedServer
from tests.training.personaemp.test_dataset import write as write_set
from training.evaluate import run_evaluation
from training.evaluation.config import EvaluateConfig
from training.evaluation.policies import mismatched
from training.evaluation.tables import write
from training.example import DIMENSIONS, CriteriaSet, Criterion
from training.peregrm.criteria import writer_identity
from training.peregrm.verdict import MixedJudgesError
from training.personaemp.dataset import read_examples, replace_rows

RULER = json.dumps({"criteria": [{"text": f"Slows down, {n}", "weight": 25} for n in range(4)]})
ALWAYS_FAILS = "unjudgeable"


def judge(request: Recorded) -> Scripted:
    """Writes rulers, and grades `good` replies above others; one text it never grades."""
    if "ruler" in json.dumps(request.json.get("response_format", {}))[:80]:
        return reply(RULER)
    if ALWAYS_FAILS in request.json["messages"][-1]["content"]:
        return reply("I would rather not.")
    return grading(lambda said, _name: 1.0 if "good" in said else 0.6)(request)


def policy(request: Recorded) -> Scripted:
    return reply("A good reply." if request.json["model"] == "trained" else "A reply.", usage=(50, 10))


def config_of(tmp_path: Path, server: ScriptedServer, **changes: Any) -> EvaluateConfig:
    def at(model: str) -> dict[str, Any]:
        return {"base_url": server.base_url, "model": model, "concurrency": 4}

    values: dict[str, Any] = {
        "dataset": tmp_path / "set", "splits": ["test"], "out": tmp_path / "out", "baseline": "base",
        "training_writer": "nobody",
        "criteria": {"endpoint": at("writer"), "fewest": 4},
        "judges": {"main": {"judge": {"endpoint": at("judge"), "rounds": 1, "tries": 1}}},
        "policies": {
            "base": {"endpoint": at("base")},
            "trained": {"endpoint": at("trained"), "sha256": "ab"},
            "other": {"endpoint": at("base"), "memories": "mismatched"},
        },
        **changes,
    }  # fmt: skip
    return EvaluateConfig.model_validate(values)


async def test_a_better_policy_is_found_better_and_a_second_run_asks_nothing_again(tmp_path: Path) -> None:
    write_set(tmp_path / "set", examples(40))
    async with ScriptedServer(default=lambda r: (judge if r.json["model"] in ("judge", "writer") else policy)(r),
                              models=("base", "trained", "judge", "writer")) as server:  # fmt: skip
        config = config_of(tmp_path, server)
        report = await run_evaluation(config, shared_embedder())
        asked = len([r for r in server.requests if r.method == "POST"])
        again = await run_evaluation(config, shared_embedder())
        assert len([r for r in server.requests if r.method == "POST"]) == asked
    found = {one["policy"]: one for one in report["results"]}
    assert found["trained"]["means"]["average"]["mean"] == 5
    assert found["base"]["means"]["average"]["mean"] == 3
    assert found["trained"]["difference"]["average"]["low"] == 2
    assert again["results"][1]["means"] == report["results"][1]["means"]
    questions = found["base"]["questions"]
    assert found["base"]["judge_cost"]["calls"] == questions * 4 == found["base"]["judge_cost"]["prompt_tokens"] / 100
    assert again["results"][0]["judge_cost"]["prompt_tokens"] == 0
    assert report["criteria_cost"]["main"]["test"]["calls"] == questions * 3
    files = write(report, config)
    gate = EvaluationReport.model_validate_json(files[-1].read_text())
    assert (gate.policy_sha256, gate.difference.mean, gate.scale) == ("ab", 2.0, (1.0, 5.0))
    page = (config.out / "results.md").read_text()
    assert "trained" in page and "| main | 1 | a model | test | trained | 5.00" in page
    assert f"| main | test | base | {4 * questions} |" in page


async def test_an_unscored_reply_is_counted_and_in_no_mean(tmp_path: Path) -> None:
    write_set(tmp_path / "set", examples(40))
    count = 0

    def answers(request: Recorded) -> Scripted:
        nonlocal count
        if request.json["model"] in ("judge", "writer"):
            return judge(request)
        count += 1
        return reply(ALWAYS_FAILS if count == 1 else "A reply.")

    async with ScriptedServer(default=answers, models=("base", "trained", "judge", "writer")) as server:
        config = config_of(tmp_path, server, policies={"base": _only(server)})
        one = (await run_evaluation(config, shared_embedder()))["results"][0]
    assert sum(one["unscored"].values()) == 1
    assert one["means"]["average"]["mean"] == 3
    assert one["means"]["average"]["scored"] == one["questions"] - 1


async def test_the_writer_of_trainings_rulers_is_refused_before_anything_is_asked(tmp_path: Path) -> None:
    write_set(tmp_path / "set", examples(40))
    async with ScriptedServer(models=("base", "trained", "judge", "writer")) as server:
        config = config_of(tmp_path, server)
        assert config.criteria is not None
        ruler = CriteriaSet((Criterion("Slows down", 100),), writer_identity(config.criteria, "peregrm"))
        rows = [replace(one, criteria={"resonation": (ruler,)}) for one in read_examples(tmp_path / "set", "test")]
        replace_rows(tmp_path / "set", "test", rows)
        with pytest.raises(MixedJudgesError, match="were written by the writer"):
            await run_evaluation(config, shared_embedder())
        assert not server.requests


async def test_an_evaluation_refuses_when_nothing_tells_who_wrote_the_rulers_of_training(tmp_path: Path) -> None:
    write_set(tmp_path / "set", examples(40))
    async with ScriptedServer(models=("base", "trained", "judge", "writer")) as server:
        config = config_of(tmp_path, server, training_writer="")
        with pytest.raises(MixedJudgesError, match='set training_writer, to "nobody"'):
            await run_evaluation(config, shared_embedder())
        unnamed = CriteriaSet((Criterion("Slows down", 100),), "")
        rows = [replace(one, criteria={"resonation": (unnamed,)}) for one in read_examples(tmp_path / "set", "test")]
        replace_rows(tmp_path / "set", "test", rows)
        with pytest.raises(MixedJudgesError, match="nothing tells"):
            await run_evaluation(config_of(tmp_path, server), shared_embedder())
        assert not server.requests


async def test_criteria_of_people_and_more_rounds_stand_beside_written_ones(tmp_path: Path) -> None:
    write_set(tmp_path / "set", examples(40))
    people = tmp_path / "people.json"
    people.write_text(json.dumps({name: [["Stays with them", 60], ["Asks first", 40]] for name in DIMENSIONS}))
    async with ScriptedServer(default=lambda r: (judge if r.json["model"] in ("judge", "writer") else policy)(r),
                              models=("base", "trained", "judge", "writer")) as server:  # fmt: skip
        one = {"endpoint": {"base_url": server.base_url, "model": "judge"}, "tries": 1, "rounds": 1}
        judges = {"main": {"judge": one}, "four": {"judge": {**one, "rounds": 4}},
                  "people": {"judge": one, "criteria_file": str(people)}}  # fmt: skip
        config = config_of(tmp_path, server, judges=judges, policies={"base": _only(server)})
        report = await run_evaluation(config, shared_embedder())
    found = [(one["judge"], one["rounds"], one["rulers"]) for one in report["results"]]
    assert found == [("main", 1, "written"), ("four", 4, "written"), ("people", 1, "people")]
    assert report["criteria_cost"]["people"]["test"]["calls"] == 0
    assert len({tuple(one["identity"]) for one in report["results"]}) == 3


def test_mismatched_memories_are_always_those_of_another_person() -> None:
    asked = list(examples(5, each=4))
    donors = mismatched(asked, seed=3)
    assert all(mine.person != theirs.person for mine, theirs in zip(asked, donors, strict=True))
    assert donors == mismatched(asked, seed=3)


def _only(server: ScriptedServer) -> dict[str, Any]:
    return {"endpoint": {"base_url": server.base_url, "model": "base"}}
