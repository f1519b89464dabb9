"""A judge by rule behind a real HTTP server: reads the prompts of `training.peregrm`, answers in the demanded schema.

It speaks what an OpenAI-compatible server speaks of `/v1/models` and `/v1/chat/completions`. Every score follows from
the persona and the reply in the prompt by `training.learning.world`; the bystander gives the same to everything. A
request that it does not understand is refused, never graded.
"""

from __future__ import annotations

import json
import re
import socket
import threading
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from typing import Any

import uvicorn
from fastapi import FastAPI, HTTPException

from training.errors import EngineError
from training.learning.world import BYSTANDER_POINTS, World

MODEL = "world"
_READY_WITHIN_S = 30.0
_RULER = re.compile(r"ruler_\d+")


def judge_app(world: World) -> FastAPI:
    """Return the judge as an application."""
    app = FastAPI(title="A judge by rule", openapi_url=None)

    @app.get("/v1/models")
    async def models() -> dict[str, Any]:
        return {"object": "list", "data": [{"id": MODEL, "object": "model", "owned_by": "attune"}]}

    @app.post("/v1/chat/completions")
    async def complete(request: dict[str, Any]) -> dict[str, Any]:
        try:
            text = str(request["messages"][-1]["content"])
            schema = request["response_format"]["json_schema"]["schema"]
            answer = json.dumps(_answer(schema, world, text))
        except (KeyError, IndexError, TypeError, ValueError) as error:
            raise HTTPException(400, f"no question of this judge: {error!r}") from error
        return {
            "id": "verdict",
            "object": "chat.completion",
            "model": MODEL,
            "choices": [
                {"index": 0, "message": {"role": "assistant", "content": answer}, "finish_reason": "stop"},
            ],
            "usage": {"prompt_tokens": 0, "completion_tokens": 0, "total_tokens": 0},
        }

    return app


@contextmanager
def serving(world: World) -> Iterator[str]:
    """Serve the judge on a free port of this machine, beside the caller; yield its base URL.

    Raises:
        EngineError: it did not start.
    """
    with closing(socket.create_server(("127.0.0.1", 0))) as listener:
        server = uvicorn.Server(uvicorn.Config(judge_app(world), log_level="warning", lifespan="off"))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, name="judge", daemon=True)
        thread.start()
        try:
            yield f"http://127.0.0.1:{listener.getsockname()[1]}/v1"
        finally:
            server.should_exit = True
            thread.join(_READY_WITHIN_S)
            if thread.is_alive():
                raise EngineError("the judge by rule did not end; end this process")


def _answer(schema: Mapping[str, Any], world: World, text: str) -> dict[str, Any]:
    """Return the scores that a schema asks for."""
    return {
        name: _answer(one, world, text) if one["type"] == "object" else _score(name, world, text)
        for name, one in schema["properties"].items()
    }


def _score(name: str, world: World, text: str) -> int:
    if not _RULER.fullmatch(name):
        return BYSTANDER_POINTS
    kind = world.kind_of(_value("persona", text))
    if kind is None:
        raise ValueError("the persona is of no kind of this world")
    return world.grade(kind, _value("reply", text))


def _value(label: str, text: str) -> str:
    """Return what stands after a label; what people wrote cannot begin a line, so the last one is the prompt's own."""
    found = re.findall(rf"^{label}: (.*)$", text, re.MULTILINE)
    if not found:
        raise ValueError(f"the prompt has no line {label!r}")
    value = json.loads(found[-1])
    if not isinstance(value, str):
        raise ValueError(f"{label!r} is no text")
    return value
