"""Errors of the backend; each class carries its HTTP status and its stable code.

The message says what went wrong, where, and the repair; it never holds message text.
"""

from __future__ import annotations

from collections.abc import Mapping


class AttuneError(Exception):
    """Base of every error that becomes a response."""

    status: int = 500
    code: str = "internal_error"
    type: str = "server_error"

    def __init__(
        self,
        message: str,
        *,
        param: str | None = None,
        retry_after: float | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.param = param
        self.retry_after = retry_after
        self.headers = headers or {}
        """Of the response, beside those that every error has."""


class BadRequestError(AttuneError):
    """The request cannot be read."""

    status = 400
    code = "bad_request"
    type = "invalid_request_error"


class UnsupportedParameterError(BadRequestError):
    """A parameter asks for something that is not offered here; leave it out."""

    code = "unsupported_parameter"


class AuthenticationError(AttuneError):
    """No key, or one that is unknown or revoked."""

    status = 401
    code = "invalid_api_key"
    type = "authentication_error"


class PermissionDeniedError(AttuneError):
    """The key may not do this."""

    status = 403
    code = "permission_denied"
    type = "permission_error"


class NotFoundError(AttuneError):
    """Nothing of that id belongs to this person."""

    status = 404
    code = "not_found"
    type = "invalid_request_error"


class ModelNotFoundError(NotFoundError):
    """The model name is not one that is served."""

    code = "model_not_found"


class ConflictError(AttuneError):
    """The request contradicts what is there."""

    status = 409
    code = "conflict"
    type = "invalid_request_error"


class TooLargeError(AttuneError):
    """The body or the message is over its limit."""

    status = 413
    code = "too_large"
    type = "invalid_request_error"


class HeadersTooLargeError(TooLargeError):
    """The first line and the headers of the request are over their limit."""

    status = 431
    code = "headers_too_large"


class InvalidRequestError(AttuneError):
    """A field is missing, unknown or out of range; `param` names it."""

    status = 422
    code = "invalid_request"
    type = "invalid_request_error"


class ProtocolError(AttuneError):
    """The request does not fit HTTP or this route: a wrong method, say."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.code = "method_not_allowed" if status == 405 else "http_error"
        self.type = "invalid_request_error" if status < 500 else "server_error"


class ConfigError(AttuneError):
    """The configuration cannot be used; raised before anything is opened."""

    code = "config_error"


class StorageUnavailableError(AttuneError):
    """The ledger or the index could not be used just now; nothing of the request was kept, send it again."""

    status = 503
    code = "storage_unavailable"


class ModelError(AttuneError):
    """The language model could not answer."""

    status = 503
    code = "model_unavailable"
    type = "model_error"


class ModelUnreachableError(ModelError):
    """Nothing answers at the model's address, or not in time; trying again may help."""


class ModelRefusedError(ModelError):
    """The model's server rejected the request (a wrong key, model name or parameter); trying again does not help."""

    code = "model_refused"


class ModelGarbledError(ModelError):
    """The model's server answered something that is not the protocol."""

    code = "model_garbled"


def error_from(code: str, message: str, retry_after: float | None = None) -> AttuneError:
    """Make the error whose class carries `code` again, after it went through an event."""
    kind = _by_code(AttuneError).get(code, AttuneError)
    return kind(message, retry_after=retry_after)


def _by_code(base: type[AttuneError]) -> dict[str, type[AttuneError]]:
    found = {base.code: base}
    for kind in (kind for kind in base.__subclasses__() if kind is not ProtocolError):
        found = {**_by_code(kind), **found}
    return found
