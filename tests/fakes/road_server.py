"""One server that plays every model of the training road: builder, writer of criteria, judge; on real HTTP.

Builder and writer answer from the question alone; what the judge gives a reply is the test's to say.
"""

from __future__ import annotations

import json
from typing import Any

from tests.fakes.builder_server import ScriptedBuilder
from tests.fakes.judging import Grade, grading
from tests.fakes.scripted_answers import Scripted, reply
from tests.fakes.scripted_server import Recorded

RULER = json.dumps(
    {
        "criteria": [
            {"text": "Slows down before it advises", "weight": 40},
            {"text": "Leaves the next step to them", "weight": 30},
            {"text": "Takes the worry seriously", "weight": 30},
        ]
    }
)


class ScriptedRoad(ScriptedBuilder):
    """Use as `async with ScriptedRoad(grade) as server`."""

    def __init__(self, grade: Grade, judge_s: float = 0.0, **options: Any) -> None:
        super().__init__(**options)
        self._judge = grading(grade, delay_s=judge_s)

    def choose(self, request: Recorded) -> Scripted:
        """Answer whichever model is asked."""
        wanted = request.json.get("response_format", {}).get("json_schema", {}).get("name")
        if wanted is None or hasattr(self, f"_{wanted}"):
            return super().choose(request)
        return reply(RULER, usage=(200, 60)) if wanted == "ruler" else self._judge(request)
