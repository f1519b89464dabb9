"""What can go wrong between the terminal and the backend; the message always carries the repair."""

from __future__ import annotations


class TerminalError(Exception):
    """Base of every error that is shown to the person."""

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message


class BackendError(TerminalError):
    """No backend could be found or started."""


class ClientError(TerminalError):
    """A request failed: refused by the backend, or lost on the way.

    `status` is 0 where no response came; `code` is the backend's stable code, or `unreachable` (nothing answers),
    `cut` (the stream ended before the reply did) or `garbled` (the answer is not the protocol).
    """

    def __init__(
        self, message: str, *, code: str = "unreachable", status: int = 0, retry_after: float | None = None
    ) -> None:
        super().__init__(message)
        self.code = code
        self.status = status
        self.retry_after = retry_after
