"""What workers tell the screens; a worker posts one of these and never touches a widget."""

from __future__ import annotations

from typing import TYPE_CHECKING

from textual.message import Message

from tui.link import LinkState

if TYPE_CHECKING:
    from assistant import wire


class LinkChanged(Message):
    """The way to the backend changed."""

    def __init__(self, state: LinkState) -> None:
        super().__init__()
        self.state = state


class Arrived(Message):
    """What a page asked the backend for is here."""

    def __init__(self, value: object) -> None:
        super().__init__()
        self.value = value


class ConversationBegun(Message):
    """A conversation was made for the first message of turn number `turn`."""

    def __init__(self, turn: int, conversation: wire.Conversation) -> None:
        super().__init__()
        self.turn = turn
        self.conversation = conversation


class EventArrived(Message):
    """One event of turn number `turn`, in the order of the stream."""

    def __init__(self, turn: int, event: wire.Event) -> None:
        super().__init__()
        self.turn = turn
        self.event = event


class TurnEnded(Message):
    """Turn number `turn` is over; `error` says why where it failed."""

    def __init__(self, turn: int, error: Exception | None = None) -> None:
        super().__init__()
        self.turn = turn
        self.error = error


class ConversationLoaded(Message):
    """A conversation was reopened."""

    def __init__(self, conversation: wire.Conversation, page: wire.MessagePage, *, on_branch: bool = False) -> None:
        super().__init__()
        self.conversation = conversation
        self.page = page
        """The end of it."""
        self.on_branch = on_branch


class EarlierWanted(Message):
    """Somebody looks back towards what has not been asked for yet; `cursor` says where it ends."""

    def __init__(self, cursor: str) -> None:
        super().__init__()
        self.cursor = cursor


class EarlierArrived(Message):
    """The messages before `cursor` are here; None where they could not be had."""

    def __init__(self, cursor: str, page: wire.MessagePage | None) -> None:
        super().__init__()
        self.cursor = cursor
        self.page = page


class VariantsCounted(Message):
    """The end of the conversation, after a message was said or answered anew, with what else stood in each place."""

    def __init__(self, page: wire.MessagePage) -> None:
        super().__init__()
        self.page = page


class ConversationsListed(Message):
    """The conversations arrived."""

    def __init__(self, conversations: list[wire.Conversation]) -> None:
        super().__init__()
        self.conversations = conversations


class ResourcesArrived(Message):
    """The resource card arrived."""

    def __init__(self, card: wire.ResourceCard) -> None:
        super().__init__()
        self.card = card


class RequestFailed(Message):
    """Something that the person asked for could not be done; the message carries the repair."""

    def __init__(self, title: str, error: Exception) -> None:
        super().__init__()
        self.title = title
        self.error = error
