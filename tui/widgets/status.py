"""The line at the top: whose conversation, what answers, and whether the backend is there."""

from __future__ import annotations

import re

from textual.app import ComposeResult
from textual.containers import Horizontal
from textual.content import Content
from textual.widgets import Static

from tui.link import LinkState
from tui.text import one_line

WORDS = {"ready": "connected", "degraded": "connected", "starting": "starting", "lost": "not connected"}
COLOURS = {"ready": "$success", "degraded": "$warning", "starting": "$warning", "lost": "$error"}
WIDEST = 32


class StatusBar(Horizontal):
    """Name, title, state; the state is told in words and in colour."""

    def compose(self) -> ComposeResult:
        """Three parts of one line."""
        yield Static("◆ Attune", id="brand", markup=False)
        yield Static("", id="title", markup=False)
        yield Static("○ starting", id="state", markup=False)

    def show_title(self, title: str) -> None:
        """Show which conversation this is."""
        self.query_one("#title", Static).update(one_line(title, 200))

    def show_state(self, state: LinkState) -> None:
        """Show what answers, or what is waited for."""
        line = self.query_one("#state", Static)
        dot = Content.styled("○" if state.kind == "starting" else "●", COLOURS[state.kind])
        line.update(Content.assemble(dot, " ", summary(state)))
        line.tooltip = "\n".join(part for part in (state.answers, state.text) if part)


def summary(state: LinkState) -> str:
    """The state in a few words: what answers, or what is wrong."""
    if state.kind == "lost":
        return WORDS["lost"]
    if state.kind == "starting":
        return one_line(state.text, WIDEST)
    answers = re.split(r"(?<=\w)[.,:;(]\s|\s\(", state.answers or "")[0].rstrip(".")
    return " · ".join(part for part in (WORDS[state.kind], one_line(answers, WIDEST)) if part)
