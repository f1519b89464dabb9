"""What a test's `say` fixture looks like: it appends a user message to the test's conversation."""

from typing import Any, Protocol

from memory.types import Message


class Say(Protocol):
    async def __call__(self, text: str, **more: Any) -> Message: ...
