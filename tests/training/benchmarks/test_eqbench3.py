import json
import re
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from tests.fakes.scripted_answers import Scripted, reply
from tests.fakes.scripted_server import Recorded, ScriptedServer
from training.benchmarks.eqbench3 import ABILITIES, read_scenarios, run_eqbench3
from training.endpoint import Endpoint
from training.errors import InputFileError

CRITERIA = ("demonstrated_empathy", "pragmatic_ei", "warmth")
ANALYSIS = ("depth_of_insight", "correctness")
SCENARIOS = """\
######## 1   | Work | The kettle
####### Prompt1
Somebody took {transcript} your kettle.
####### 1
A line that only looks like a heading.
####### Prompt2
They bring it back.

######## 203 | Draft | The note
####### Prompt1
Write to your aunt.

######## 401 | Analytical Interpretation | The drive
####### Prompt1
# Scenario act 1
They drove in silence.
"""


def written(directory: Path) -> Path:
    files = {
        "scenario_prompts": SCENARIOS,
        "scenario_master_prompt": "<play>{scenario_prompt}</play>",
        "scenario_master_prompt_message_drafting": "<draft>{scenario_prompt}</draft>",
        "scenario_master_prompt_analysis": "<analyse>{scenario_prompt}</analyse>",
        "debrief_prompt": "Look back on it.",
        "rubric_scoring_criteria": "\n".join(CRITERIA),
        "rubric_scoring_criteria_analysis": "\n".join(ANALYSIS),
        "rubric_scoring_prompt": "Grade:\n{transcript}\nAfterwards:\n{debrief}\nAs {output_format}",
        "rubric_scoring_prompt_analysis": "Grade the analysis:\n{transcript}\nAs {output_format}",
    }
    (directory / "data").mkdir(parents=True)
    for name, text in files.items():
        (directory / "data" / f"{name}.txt").write_text(text, encoding="utf-8")
    return directory


def both(request: Recorded) -> Scripted:
    """A policy who says which turn it is, and a judge who likes empathy and warmth best."""
    if "response_format" not in request.json:
        return reply(f"Turn {len(request.json['messages'])} {{transcript}}")
    wanted = request.json["response_format"]["json_schema"]["schema"]["required"]
    worth: dict[str, Any] = {"demonstrated_empathy": 20, "pragmatic_ei": 10, "warmth": 0}
    return reply(json.dumps({name: worth.get(name, 8) for name in wanted}))


def test_scenarios_are_read_with_their_kind_and_every_line_of_their_prompts(tmp_path: Path) -> None:
    scenarios, forms = read_scenarios(written(tmp_path))
    assert [(one.id, one.kind, len(one.prompts)) for one in scenarios] == [
        ("1", "role play", 2),
        ("203", "draft", 1),
        ("401", "analysis", 1),
    ]
    assert "only looks like a heading" in scenarios[0].prompts[0]
    assert scenarios[2].prompts == ("# Scenario act 1\nThey drove in silence.",)
    assert forms["analysis"].debrief is None and forms["draft"].criteria == CRITERIA


async def test_a_scenario_is_played_looked_back_on_and_judged_by_ability_alone(tmp_path: Path) -> None:
    scenarios, forms = read_scenarios(written(tmp_path))
    async with ScriptedServer(default=both) as server:
        endpoint = Endpoint(base_url=server.base_url, model="scripted", concurrency=2)
        found = await run_eqbench3(scenarios, forms, endpoint, endpoint)
        asked = [one.json["messages"] for one in server.chats]
    assert found.by_kind == {"role play": pytest.approx(75), "draft": pytest.approx(75), "analysis": pytest.approx(40)}
    assert found.score == pytest.approx((75 + 75 + 40) / 3)
    assert (found.scored, found.unscored, found.cut) == (3, {}, 0)
    assert "warmth" not in ABILITIES and found.by_criterion["warmth"] == 0
    assert len(asked) == (2 + 1 + 1) + (1 + 1 + 1) + (1 + 1)
    second = next(one for one in asked if len(one) == 3 and one[0]["content"].startswith("<play>"))
    assert second[2]["content"] == "<play>They bring it back.</play>"
    judged = next(one[0]["content"] for one in asked if one[0]["content"].startswith("Grade:") and "kettle" in str(one))
    assert len(re.findall(r"Turn \d \{transcript\}", judged)) == 3, "what a policy wrote is no template"
    assert "Afterwards:\nTurn 5" in judged


async def test_a_scenario_that_cannot_be_judged_is_counted_and_in_no_mean(tmp_path: Path) -> None:
    def refusing(request: Recorded) -> Scripted:
        return reply("No.") if "Grade the analysis" in str(request.json["messages"]) else both(request)

    scenarios, forms = read_scenarios(written(tmp_path))
    async with ScriptedServer(default=refusing) as server:
        endpoint = Endpoint(base_url=server.base_url, model="scripted", concurrency=2)
        found = await run_eqbench3(scenarios, forms, endpoint, endpoint)
    assert (found.scored, found.unscored) == (2, {"garbled": 1})
    assert found.score == pytest.approx(75)


def test_a_directory_without_the_files_is_refused_with_the_command_that_gets_them(tmp_path: Path) -> None:
    with pytest.raises(InputFileError, match="data fetch eqbench3"):
        read_scenarios(tmp_path)


def test_the_command_names_the_policies_there_are(tmp_path: Path) -> None:
    from training.cli import app

    done = CliRunner().invoke(app, ["bench", "eqbench3", "--data", str(tmp_path), "--policy", "nobody"])
    assert done.exit_code == 2 and "no policy 'nobody'; it has plain" in done.stderr
