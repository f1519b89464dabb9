import json
import re
from pathlib import Path
from typing import Any

import pytest

from tests.fakes.scripted_answers import Scripted, error, reply
from tests.fakes.scripted_server import Recorded, ScriptedServer
from training.benchmarks.emobench import Item, permuted, read_items, run_emobench
from training.endpoint import Endpoint


def items(tmp_path: Path, count: int = 80) -> list[Item]:
    lines: list[Any] = [
        {
            "qid": str(n), "language": "en", "scenario": f"Scene {n}.", "subject": "Ana", "question type": "Action",
            "choices": [f"bad {n} {k}" for k in range(3)] + [f"good {n}"], "label": f"good {n}",
        }
        for n in range(count)
    ]  # fmt: skip
    path = tmp_path / "EA.jsonl"
    path.write_text("\n".join([*map(json.dumps, lines), "{broken", json.dumps({**lines[0], "label": "none"})]))
    said: list[str] = []
    found = read_items(path, "EA", said.append)
    assert [f":{count + 1}:" in said[0], f":{count + 2}:" in said[1], len(said)] == [True, True, 2]
    return found


def oracle(request: Recorded) -> Scripted:
    return reply(re.findall(r"^([A-J])\. good", request.json["messages"][0]["content"], re.MULTILINE)[0])


async def test_an_oracle_is_always_right_and_a_constant_letter_at_chance(tmp_path: Path) -> None:
    asked = items(tmp_path)
    async with ScriptedServer(default=oracle) as server:
        endpoint = Endpoint(base_url=server.base_url, model="scripted", concurrency=4)
        assert (await run_emobench(asked, endpoint)).accuracy == 1.0
        server.default = reply("A")
        found = await run_emobench(asked, endpoint)
    assert found.accuracy == pytest.approx(0.25, abs=0.12)
    assert found.answered == 80


async def test_a_failed_call_is_unanswered_and_not_wrong(tmp_path: Path) -> None:
    async with ScriptedServer(error(400, "no"), default=oracle) as server:
        endpoint = Endpoint(base_url=server.base_url, model="scripted", concurrency=1, retries=0)
        found = await run_emobench(items(tmp_path, 5), endpoint)
    assert (found.right, found.answered, found.unanswered) == (4, 4, 1)


def test_the_order_of_options_differs_between_items_and_not_between_runs(tmp_path: Path) -> None:
    asked = items(tmp_path)
    places = [permuted(item, 0, 0).index(item.questions[0].label) for item in asked]
    assert set(places) == {0, 1, 2, 3}
    assert places == [permuted(item, 0, 0).index(item.questions[0].label) for item in asked]
