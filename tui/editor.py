"""Writing in the person's own editor: `$VISUAL`, else `$EDITOR`, on a file that is gone afterwards."""

from __future__ import annotations

import os
import shlex
import subprocess
import tempfile
from collections.abc import Mapping
from pathlib import Path

from tui.errors import TerminalError


def command(environ: Mapping[str, str]) -> list[str]:
    """The person's editor.

    Raises:
        TerminalError: none is named, or its name cannot be read.
    """
    wanted = environ.get("VISUAL") or environ.get("EDITOR") or ""
    try:
        words = shlex.split(wanted)
    except ValueError as error:
        raise TerminalError(f"$VISUAL or $EDITOR cannot be read ({error}): {wanted}") from error
    if not words:
        raise TerminalError("name your editor in $VISUAL or $EDITOR, as in EDITOR=nano")
    return words


def edit(text: str, environ: Mapping[str, str] = os.environ) -> str:
    """Return the text as the person left it; blocks until the editor is left.

    Raises:
        TerminalError: there is no editor, or it failed; the text then stays as it was.
    """
    words = command(environ)
    with tempfile.TemporaryDirectory(prefix="attune-") as folder:
        path = Path(folder) / "message.md"
        path.write_text(text, encoding="utf-8")
        try:
            code = subprocess.run([*words, str(path)], check=False).returncode
            written = path.read_text(encoding="utf-8", errors="replace")
        except OSError as error:
            raise TerminalError(f"{words[0]} could not be used: {error}; check $VISUAL and $EDITOR") from error
    if code != 0:
        raise TerminalError(f"{words[0]} left with code {code}; your text is as it was")
    return written.removesuffix("\n")
