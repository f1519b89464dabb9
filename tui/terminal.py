"""The drivers of the screen on Linux and macOS: Textual's, with two things that real terminals need.

What is typed and pasted is taken as it comes: bytes that are no text, as in a pasted picture, are replaced, where
Textual would end the program. Where standard error is not the terminal, as in `attune-chat 2>log`, the screen is drawn
on standard output; Textual draws on standard error, and the screen would go into the log.
"""

from __future__ import annotations

import os
import selectors
import sys
from codecs import getincrementaldecoder
from typing import Any

from textual._xterm_parser import XTermParser
from textual.drivers.linux_driver import LinuxDriver

PIECE_BYTES = 4096
POLL_S = 0.1


class TolerantDriver(LinuxDriver):
    """Textual's driver, for all that can come from a terminal."""

    def run_input_thread(self) -> None:
        """Hand over what is typed and pasted until the program ends."""
        parser, decode = XTermParser(self._debug), getincrementaldecoder("utf-8")("replace").decode
        with selectors.SelectSelector() as selector:
            selector.register(self.fileno, selectors.EVENT_READ)
            while not self.exit_event.is_set():
                if selector.select(POLL_S):
                    piece = os.read(self.fileno, PIECE_BYTES)
                    if not piece:
                        self.exit_event.wait(POLL_S)  # the terminal is gone, and the signal that says so is on its way
                    # no text yet, as after half a letter, would be the end for the parser
                    for event in parser.feed(text) if (text := decode(piece)) else ():
                        self.process_message(event)
                for event in parser.tick():
                    self.process_message(event)


class StdoutDriver(TolerantDriver):
    """The same, drawing on standard output."""

    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self._file = sys.__stdout__
