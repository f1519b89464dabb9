"""Operations on the whole backend; they need an admin key, or the local owner's."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import asdict
from typing import Annotated

from fastapi import APIRouter, Depends, Query, Request
from fastapi.responses import StreamingResponse

from assistant import wire
from assistant.auth import Admin, Runtimes, require_admin
from assistant.bringing import bring
from assistant.importing import import_file
from assistant.reindexing import rebuild
from assistant.spooling import spooled
from assistant.sse import JSON_LINES
from memory.agreement import agreement

router = APIRouter(prefix="/v1/admin", tags=["admin"], dependencies=[Depends(require_admin)])


@router.post("/import/alpsbench", response_model=None, responses=JSON_LINES)
async def import_alpsbench(
    request: Request, runtime: Runtimes, admin: Admin, limit: Annotated[int | None, Query(ge=1)] = None
) -> StreamingResponse:
    """Import the AlpsBench file that is the body; answers with one JSON line a step, the summary last."""
    gzipped = request.headers.get("content-type") == "application/gzip"
    suffix = ".jsonl.gz" if gzipped else ".jsonl"
    await runtime.ledger.audit.write(admin.key.id, "import.alpsbench", "everybody")
    return await spooled(request, runtime.home, lambda path: import_file(runtime, path, limit), suffix=suffix)


@router.post("/import/jsonl", response_model=None, responses=JSON_LINES)
async def import_jsonl(request: Request, runtime: Runtimes, admin: Admin) -> StreamingResponse:
    """Import the JSON lines that are the body, of whom they name; answers with one JSON line a step."""
    await runtime.ledger.audit.write(admin.key.id, "import.jsonl", "everybody")
    return await spooled(request, runtime.home, lambda path: bring(runtime, "jsonl", path, None))


@router.get("/index")
async def compare_index(runtime: Runtimes, _admin: Admin) -> wire.IndexState:
    """Compare everybody's index with the ledger; changes nothing."""
    return wire.IndexState(**asdict(await agreement(runtime.ledger, runtime.index)))


@router.post("/index/rebuild", response_model=None, responses=JSON_LINES)
async def rebuild_index(runtime: Runtimes, admin: Admin) -> StreamingResponse:
    """Build everybody's index again from the ledger; answers with one JSON line a person."""
    await runtime.ledger.audit.write(admin.key.id, "index.rebuild", "everybody")

    async def lines() -> AsyncIterator[str]:
        async for step in rebuild(runtime):
            yield step.model_dump_json() + "\n"

    return StreamingResponse(lines(), media_type="application/x-ndjson")
