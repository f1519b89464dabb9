"""The HTTP app: the lifespan opens the resources, routes use them, every error becomes the envelope."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any

from fastapi import FastAPI

from assistant import wire
from assistant.boundary import Boundary, install
from assistant.config import AssistantConfig
from assistant.incognito import sweeping
from assistant.owner import ensure_owner_key
from assistant.routes import (
    admin,
    audit,
    chat,
    conversations,
    health,
    jobs,
    keys,
    me,
    memories,
    messages,
    models,
    openai,
    persona,
    policies,
    portability,
    reports,
    safety,
    settings,
    users,
)
from assistant.runtime import Runtime, open_runtime

ROUTES = (
    chat,
    conversations,
    messages,
    memories,
    me,
    openai,
    persona,
    settings,
    safety,
    admin,
    keys,
    users,
    jobs,
    audit,
    policies,
    portability,
    reports,
    models,
    health,
)

Open = Callable[[], AbstractAsyncContextManager[Runtime]]


def create_app(config: AssistantConfig, *, open: Open | None = None) -> FastAPI:
    """Make the app; `open` opens the resources in another way than from `config` alone."""

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        async with (open or (lambda: open_runtime(config)))() as runtime:
            app.state.runtime = runtime
            given = config.owner_key.get_secret_value() if config.owner_key else None
            await ensure_owner_key(runtime.home, runtime.ledger, runtime.owner, given)
            async with sweeping(runtime), runtime.inbox.warming():
                yield

    errors: dict[int | str, dict[str, Any]] = {code: {"model": wire.ErrorEnvelope} for code in ("4XX", "5XX")}
    app = FastAPI(title="Attune", version="0.1.0", lifespan=lifespan, responses=errors)
    install(app)
    app.add_middleware(
        Boundary,
        max_body_bytes=config.server.max_body_bytes,
        max_header_bytes=config.server.max_header_bytes,
        unlimited=("/v1/admin/import/", "/v1/me/import"),
    )
    for routes in ROUTES:
        app.include_router(routes.router)
    return app
