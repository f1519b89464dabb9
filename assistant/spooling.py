"""Files that come as the body of a request: written below the data directory, read step by step, removed."""

from __future__ import annotations

import asyncio
import os
import tempfile
from collections.abc import AsyncIterator, Callable
from pathlib import Path

from fastapi import Request
from fastapi.responses import StreamingResponse
from pydantic import BaseModel

from assistant import wire
from assistant.errors import TooLargeError
from memory.errors import MemoryLayerError


async def spooled(
    request: Request,
    home: Path,
    work: Callable[[Path], AsyncIterator[BaseModel]],
    *,
    suffix: str = "",
    max_bytes: int | None = None,
) -> StreamingResponse:
    """Answer with one JSON line a step of `work` on the file that the body is; a failure is the last line.

    Raises:
        TooLargeError: it is longer than `max_bytes`.
    """
    await asyncio.to_thread(home.mkdir, mode=0o700, parents=True, exist_ok=True)
    with tempfile.NamedTemporaryFile(dir=home, prefix="import-", suffix=suffix, delete=False) as spool:
        path, size = Path(spool.name), 0
        try:
            async for piece in request.stream():
                size += len(piece)
                if max_bytes is not None and size > max_bytes:
                    raise TooLargeError(f"the file is over {max_bytes >> 20} MiB: import it while no backend runs")
                await asyncio.to_thread(spool.write, piece)
        except BaseException:
            os.unlink(path)  # at once: who is cancelled may not wait
            raise

    async def lines() -> AsyncIterator[str]:
        try:
            async for step in work(path):
                yield step.model_dump_json() + "\n"
        except MemoryLayerError as error:
            message = str(error).replace(str(path), "the file")
            yield wire.ImportFailed(message=message).model_dump_json() + "\n"
        finally:
            await asyncio.to_thread(path.unlink, missing_ok=True)

    return StreamingResponse(lines(), media_type="application/x-ndjson")
