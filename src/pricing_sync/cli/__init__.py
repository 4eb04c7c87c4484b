"""The command `pricing-sync`.

Exit codes: 0 done; 1 failed (nothing was read, no price, the database cannot be used);
2 bad input (an option, a name, a setting); 3 partly done (some providers could not be read).
"""

from __future__ import annotations

import logging
import sys

import typer

from pricing_sync.cli.root import cli
from pricing_sync.cli.tables import err
from pricing_sync.errors import PricingSyncError, SettingsError, UnknownName

FAILED, BAD_INPUT, INTERRUPTED = 1, 2, 130


def main() -> None:
    """Run the command line; every error of ours is one line and an exit code."""
    # Commands print what they did. Only `serve` logs.
    logging.getLogger("pricing_sync").addHandler(logging.NullHandler())
    try:
        sys.exit(cli(prog_name="pricing-sync", standalone_mode=False))
    except typer.TyperException as error:
        message = error.format_message()
        if message.startswith("Usage:"):  # no command was given, so this is the help
            sys.stderr.write(message + "\n")
            sys.exit(BAD_INPUT)
        _fail(message, BAD_INPUT)
    except (SettingsError, UnknownName) as error:
        _fail(str(error), BAD_INPUT)
    except PricingSyncError as error:
        _fail(str(error), FAILED)
    except (KeyboardInterrupt, typer.Abort):
        sys.exit(INTERRUPTED)
    except BrokenPipeError:
        # The reader, such as `head`, has closed the pipe. The rest of the buffer is dropped.
        sys.stdout = None
        sys.exit(0)


def _fail(message: str, code: int) -> None:
    err.print(f"error: {message}", soft_wrap=True)
    sys.exit(code)
