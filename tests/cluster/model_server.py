"""A model server for the cluster: it says its name, the model asked for, and every word of a person that it was given.

Arguments: NAME PORT. It takes adapters while it runs, and forgets them when it is killed, as vLLM does.
"""

from __future__ import annotations

import asyncio
import json
import re
import sys

from tests.fakes.scripted_answers import Answer
from tests.fakes.scripted_server import Recorded, ScriptedServer

MARK = re.compile(r"mark[b-df-hj-np-tv-z]{12}")
"""Each person has one, and says it in every message: who reads another's has read across."""
_PAUSE_S = 0.03


async def main(name: str, port: int) -> None:
    """Serve until killed."""

    def say(request: Recorded) -> Answer:
        marks = sorted(set(MARK.findall(json.dumps(request.json["messages"]))))
        words = (name, request.json["model"], *marks, "I", "hear", "you.")
        return Answer(tuple(f"{word} " for word in words), delay_s=_PAUSE_S)

    server = ScriptedServer(models=("attune-base",), takes_loras=True, default=say)
    server.port = port
    await server.listen()
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], int(sys.argv[2])))
