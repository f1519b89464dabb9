"""Ends a reply before a stop string, however the reply is cut into pieces."""

from __future__ import annotations

from collections.abc import Sequence

from assistant.models.thinking import overlap


class StopFilter:
    """Takes the pieces of one reply and gives back what comes before the first stop string."""

    def __init__(self, stops: Sequence[str]) -> None:
        self._stops = tuple(stop for stop in stops if stop)
        self._held = ""
        self.stopped = False
        """Whether a stop string was met; nothing more is given back then."""

    def feed(self, piece: str) -> str:
        """Return the text that is certainly before any stop string."""
        if self.stopped:
            return ""
        text = self._held + piece
        met = [at for stop in self._stops if (at := text.find(stop)) >= 0]
        if met:
            self.stopped, self._held = True, ""
            return text[: min(met)]
        kept = max((overlap(text, stop) for stop in self._stops), default=0)
        self._held = text[len(text) - kept :]
        return text[: len(text) - kept]

    def finish(self) -> str:
        """Return what was held back, once no more pieces come."""
        rest, self._held = self._held, ""
        return rest
