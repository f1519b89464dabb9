"""Which models could answer, in words, and choosing one. Knows nothing of screens.

Says plainly where text would leave the machine, and how much would have to be downloaded.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from tui.errors import TerminalError
from tui.link import Link

if TYPE_CHECKING:
    from assistant import wire

LEAVES = "What you write would leave this machine"
NOT_OURS = "it answers from the backend's next start on"

Told = Callable[[str], None]


def about(offer: wire.ModelOffer) -> str:
    """What there is to know before choosing it."""
    notes = [offer.description]
    if offer.download_bytes is not None:
        notes.append(f"About {size(offer.download_bytes)} to download")
    notes.append(f"{LEAVES}!" if offer.leaves_machine else "What you write stays on this machine")
    return ". ".join(notes) + "."


def plain_lines(offers: wire.ModelOffers) -> list[str]:
    """All of them, a line each."""
    lines = [f"{one.name}{' (chosen)' if one.name == offers.chosen else ''}  {about(one)}" for one in offers.data]
    return [*lines, f"Now: {offers.answering}"]


def found(offers: wire.ModelOffers) -> str:
    """What was found on this machine, in a sentence."""
    names = [
        f"{one.name}{' (there, what you write leaves this machine)' if one.leaves_machine else ''}"
        for one in offers.data
        if one.download_bytes is None and one.name != "builtin"
    ]
    return f"Found: {', '.join(names)}." if names else "No language model was found on this machine."


def size(count: int) -> str:
    """Bytes as a person reads them."""
    return f"{count / 1e9:.1f} GB" if count >= 1e9 else f"{count / 1e6:.0f} MB"


async def choose(link: Link, offer: wire.ModelOffer, told: Told) -> str:
    """Choose a model, saying how far its download is; returns what came of it. Who calls has asked where text leaves.

    Raises:
        TerminalError: it could not be downloaded or chosen, or the backend did not come back; the message says why.
    """
    client = await link.client()
    chosen = False
    async for step in client.choose_model(offer.name, agree=offer.leaves_machine):
        if step.type == "error":
            raise TerminalError(step.message or "the model could not be chosen")
        if step.type == "downloading":
            told(progress(step))
        chosen = step.type == "chosen"
    if not chosen:
        raise TerminalError("the backend ended the download without a word; choose it again, what came stays")
    told("the backend starts again with it…")
    return f"{offer.name} answers now" if await link.restart() else f"{offer.name} is chosen; {NOT_OURS}"


def progress(step: wire.ModelStep) -> str:
    """How far a download is."""
    if not step.total:
        return f"downloading: {size(step.done)}"
    share = min(1.0, step.done / step.total)
    bar = "█" * round(20 * share)
    return f"downloading: {bar:░<20} {share:.0%}, {size(step.done)} of {size(step.total)}"
