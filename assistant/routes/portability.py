"""Taking everything out, and bringing a history in."""

from __future__ import annotations

import asyncio
import secrets
from pathlib import Path
from typing import Annotated, Literal

from fastapi import APIRouter, Query, Request
from fastapi.responses import FileResponse, JSONResponse, Response, StreamingResponse
from starlette.background import BackgroundTask

from assistant import wire
from assistant.auth import PersonId, Runtimes
from assistant.bringing import bring
from assistant.errors import ConflictError, NotFoundError
from assistant.runtime import Runtime
from assistant.spooling import spooled
from assistant.sse import JSON_LINES
from memory.portability import place
from memory.portability.carry import EXPORT

router = APIRouter(prefix="/v1/me", tags=["me"])

MAX_IMPORT_BYTES = 1 << 30


@router.post("/export", status_code=202)
async def export(runtime: Runtimes, person: PersonId) -> wire.Export:
    """Begin an archive of everything held about the person; the one under way is returned, if there is one."""
    job = await runtime.ledger.jobs.enqueue(person, EXPORT, {}, EXPORT)
    runtime.worker.notify()
    return wire.Export(id=job.id, status=job.status, created_at=job.created_at)


@router.get("/export/{export_id}", response_class=FileResponse)
async def download(export_id: str, runtime: Runtimes, person: PersonId) -> Response:
    """Return the archive, a zip, or with status 202 how far it is; it is kept for seven days."""
    job = await runtime.ledger.jobs.get(export_id)
    if (job.person_id, job.kind) != (person, EXPORT):
        raise NotFoundError(f"no job {export_id!r}")
    path = place.archive_path(runtime.home, person, export_id)
    if job.status == "failed":
        raise ConflictError("this export failed: make another with POST /v1/me/export")
    if job.status != "done":
        body = wire.Export(id=job.id, status=job.status, created_at=job.created_at)
        return JSONResponse(body.model_dump(mode="json"), status_code=202)
    gone = None
    if runtime.ledger.database.shared:
        path, gone = await _fetched(runtime, person)
    elif not await asyncio.to_thread(path.is_file):
        raise NotFoundError(f"the export {export_id!r} is not kept any more: make another with POST /v1/me/export")
    return FileResponse(path, media_type="application/zip", filename="attune-export.zip", background=gone)


async def _fetched(runtime: Runtime, person: str) -> tuple[Path, BackgroundTask]:
    """Write the archive for this one answer; the task removes it."""
    path = place.directory(runtime.home, person) / f"{secrets.token_hex(8)}.zip"
    await runtime.carrying.write(person, path)
    return path, BackgroundTask(path.unlink, missing_ok=True)


@router.post("/import", response_model=None, responses=JSON_LINES)
async def import_history(
    request: Request,
    runtime: Runtimes,
    person: PersonId,
    format: Annotated[Literal["attune", "chatgpt", "jsonl"], Query()] = "attune",
) -> StreamingResponse:
    """Bring the file that is the body in as the person's; answers with one JSON line a step, the summary last."""
    home = place.directory(runtime.home, person)
    return await spooled(request, home, lambda path: bring(runtime, format, path, person), max_bytes=MAX_IMPORT_BYTES)
