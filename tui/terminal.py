"""The driver of the screen where standard error is not the terminal, as in `attune-chat 2>log`.

Textual draws on standard error; there the screen would go into the log. Drawn on standard output, it is seen.
"""

from __future__ import annotations

import sys
from typing import Any

from textual.drivers.linux_driver import LinuxDriver


class StdoutDriver(LinuxDriver):
    """Textual's driver for Linux and macOS, drawing on standard output."""

    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self._file = sys.__stdout__
