"""The model server of the measurements: answers at once, fifty tokens a second. Arguments: PORT WORDS.

What asks for JSON gets nothing to learn (reflection) or one memory (Mem0's extraction), so that both loops do their
work.
"""

from __future__ import annotations

import asyncio
import json
import sys
from typing import Any

from tests.fakes.scripted_answers import Answer
from tests.fakes.scripted_server import Recorded, ScriptedServer

WORD_S = 0.02


async def main(port: int, words: int) -> None:
    """Serve until killed."""
    later = Answer(tuple(f"word{n} " for n in range(words)), delay_s=WORD_S)

    def say(_request: Recorded) -> Answer:
        server.requests.clear()  # nobody looks at them, and they are many
        return later

    server = ScriptedServer(models=("scripted",), default=say, structured=_found)
    server.port = port
    await server.listen()
    await asyncio.Event().wait()


def _found(request: dict[str, Any]) -> str:
    if request["response_format"]["type"] == "json_object":
        return json.dumps({"memory": [{"id": "0", "text": "Was tired on the day of this message."}]})
    return json.dumps({"facts": [], "traits": [], "feeling": None})


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1]), int(sys.argv[2])))
