"""Operations on the whole backend; they need an admin key, or the local owner's."""

from __future__ import annotations

import asyncio
import json
import tempfile
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Annotated

from fastapi import APIRouter, Depends, Query, Request
from fastapi.responses import StreamingResponse

from assistant.auth import Admin, Runtimes, require_admin
from assistant.importing import import_file
from assistant.reindexing import rebuild
from memory.errors import ImportFileError

router = APIRouter(prefix="/v1/admin", tags=["admin"], dependencies=[Depends(require_admin)])


@router.post("/import/alpsbench")
async def import_alpsbench(
    request: Request, runtime: Runtimes, admin: Admin, limit: Annotated[int | None, Query(ge=1)] = None
) -> StreamingResponse:
    """Import the AlpsBench file that is the body; answers with one JSON line a step, the summary last."""
    gzipped = request.headers.get("content-type") == "application/gzip"
    suffix = ".jsonl.gz" if gzipped else ".jsonl"
    await runtime.ledger.audit.write(admin.key.id, "import.alpsbench", "everybody")
    with tempfile.NamedTemporaryFile(dir=runtime.home, prefix="import-", suffix=suffix, delete=False) as spool:
        async for piece in request.stream():
            spool.write(piece)
    path = Path(spool.name)

    async def lines() -> AsyncIterator[str]:
        try:
            async for step in import_file(runtime, path, limit):
                yield step.model_dump_json() + "\n"
        except ImportFileError as error:
            yield json.dumps({"type": "error", "message": str(error)}) + "\n"
        finally:
            await asyncio.to_thread(path.unlink, missing_ok=True)

    return StreamingResponse(lines(), media_type="application/x-ndjson")


@router.post("/index/rebuild")
async def rebuild_index(runtime: Runtimes, admin: Admin) -> StreamingResponse:
    """Build everybody's index again from the ledger; answers with one JSON line a person."""
    await runtime.ledger.audit.write(admin.key.id, "index.rebuild", "everybody")

    async def lines() -> AsyncIterator[str]:
        async for step in rebuild(runtime):
            yield step.model_dump_json() + "\n"

    return StreamingResponse(lines(), media_type="application/x-ndjson")
