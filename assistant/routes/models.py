"""Which model answers, for who runs the backend."""

from __future__ import annotations

from collections.abc import AsyncIterator

from fastapi import APIRouter
from fastapi.responses import StreamingResponse

from assistant import wire
from assistant.auth import Admin, Runtimes
from assistant.choosing import offers, pick, take
from assistant.sse import JSON_LINES

router = APIRouter(prefix="/v1/admin/models", tags=["admin"])


@router.get("")
async def list_offers(runtime: Runtimes, _admin: Admin) -> wire.ModelOffers:
    """List the models that could answer: found on this machine, by an API key, or to be downloaded."""
    return await offers(runtime.config, runtime.answering.live.model.identity.description)


@router.post("", response_model=None, responses=JSON_LINES)
async def choose_model(body: wire.ModelChoice, runtime: Runtimes, admin: Admin) -> StreamingResponse:
    """Choose the model that answers from the next start on; answers with one JSON line a step of its download."""
    offer = await pick(runtime.config, body)
    await runtime.ledger.audit.write(admin.key.id, "models.choose", offer.name)

    async def lines() -> AsyncIterator[str]:
        async for step in take(runtime.config, offer):
            yield step.model_dump_json() + "\n"

    return StreamingResponse(lines(), media_type="application/x-ndjson")
