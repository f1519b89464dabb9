"""Who is asking, and on whose behalf: API keys, and what each kind may do."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from fastapi import Depends, Request

from assistant.errors import AuthenticationError, BadRequestError, PermissionDeniedError
from assistant.runtime import Runtime
from memory.ledger.keys import KeyRecord

_KEYS = "'attune keys create' makes one, and the local owner's lies in owner.key in the data directory"


@dataclass(frozen=True, slots=True)
class Identity:
    """The key of a request."""

    key: KeyRecord

    @property
    def admin(self) -> bool:
        """Whether the key may administer this backend."""
        return self.key.kind in ("owner", "admin")

    @property
    def acts_as(self) -> bool:
        """Whether the key may name a person of its app."""
        return self.key.kind == "app" and "act_as" in self.key.scopes


def runtime_of(request: Request) -> Runtime:
    """The open resources of the app that serves this request."""
    runtime: Runtime = request.app.state.runtime
    return runtime


async def identify(request: Request) -> Identity:
    """Find the key of a request.

    Raises:
        AuthenticationError: there is none, or it is unknown or revoked.
    """
    scheme, _, secret = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not secret.strip():
        raise AuthenticationError(f"no API key: send the header 'Authorization: Bearer <key>'; {_KEYS}")
    key = await runtime_of(request).ledger.keys.verify(secret.strip())
    if key is None:
        raise AuthenticationError(f"this API key is unknown or revoked; {_KEYS}")
    return Identity(key)


Runtimes = Annotated[Runtime, Depends(runtime_of)]
Identified = Annotated[Identity, Depends(identify)]


async def person_for(runtime: Runtime, identity: Identity, named: str | None) -> str:
    """Return the id of the person a request is about; `named` is who an app, or the operator, says it is.

    An app's people are made when first named; the operator can only name people who are there, such as imported ones.

    Raises:
        NotFoundError: the operator named nobody who is there.
        PermissionDeniedError: the key belongs to nobody and may not name a person.
        BadRequestError: an app key without a person named.
    """
    if identity.key.kind == "owner" and named:
        return (await runtime.ledger.users.by_external(named)).id
    if identity.acts_as and named:
        return (await runtime.ledger.users.ensure_external(identity.key.id, named)).id
    if identity.key.person_id is not None:
        return identity.key.person_id
    if identity.acts_as:
        raise BadRequestError("name the person with X-User-Id, safety_identifier or user", param="user")
    raise PermissionDeniedError(
        "this key belongs to no person and may act as none: 'attune keys create --kind app --act-as' makes one that may"
    )


async def current_person(request: Request, runtime: Runtimes, identity: Identified) -> str:
    """The id of the person a native request is about."""
    return await person_for(runtime, identity, request.headers.get("x-user-id"))


async def require_admin(identity: Identified) -> Identity:
    """Let only admin and owner keys pass."""
    if not identity.admin:
        raise PermissionDeniedError("this needs an admin key: 'attune keys create --kind admin' makes one")
    return identity


Admin = Annotated[Identity, Depends(require_admin)]
PersonId = Annotated[str, Depends(current_person)]
