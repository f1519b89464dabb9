"""`attune-chat`: read the command line, then the app, or the plain mode where there is no terminal."""

from __future__ import annotations

import argparse
import gc
import os
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tui.backend import Launch

EPILOG = """\
With nothing else said, attune-chat finds the backend of your data directory or starts one, and stops what it started.

  attune-chat                              chat
  attune-chat -p "What do you know of me?" say one thing, print the reply
  echo "hello" | attune-chat               the same from a pipe; each line is a message
  attune-chat --url http://host:8300       a backend somewhere else

In the app: Enter sends, Ctrl+J makes a new line, Esc stops a reply, F1 shows every key, Ctrl+Q leaves.

environment:
  ATTUNE_URL, ATTUNE_KEY   as --url and --key
  ATTUNE_HOME              the data directory; default: your platform's place for application data
  NO_COLOR                 no colours

Attune is an AI, not a person and not a therapist."""


def parse(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        prog="attune-chat",
        description="Chat with Attune, an assistant that remembers.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "-p", "--say", metavar="TEXT", help="say TEXT (- reads it from the input, lines and all), then leave"
    )
    parser.add_argument("--plain", action="store_true", help="lines instead of a screen; chosen by itself in a pipe")
    parser.add_argument("--url", help="address of a running backend")
    parser.add_argument("--key", help="API key; the owner's own is found by itself")
    return parser.parse_args(arguments)


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the client and leave with 0, or with 1 where an error was printed."""
    options = parse(arguments)
    from tui.backend import Launch

    launch = Launch.from_environment(os.environ, options.url, options.key)
    interactive = sys.stdin.isatty() and sys.stdout.isatty()
    if options.plain or options.say is not None or not interactive:
        sys.exit(_plain(launch, options.say, interactive and options.say is None))
    sys.exit(_app(launch))


def _plain(launch: Launch, say: str | None, interactive: bool) -> int:
    from tui.plain import Plain

    try:
        texts = None if say is None else [sys.stdin.read() if say == "-" else say]
        return Plain(launch, interactive=interactive).run(texts)
    except BrokenPipeError:
        # whoever read our output has left; Python would complain once more when it flushes on exit
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1


def _app(launch: Launch) -> int:
    gc.disable()  # what is made before the first frame stays; the app looks for waste from then on
    from tui.app import AttuneApp

    app = AttuneApp(launch)
    try:
        last_words = app.run()
    finally:
        if app.link.backend is not None:
            app.link.backend.ask_to_stop()
    if last_words:
        sys.stderr.write(last_words + "\n")
    return app.return_code or 0


if __name__ == "__main__":
    main()
