"""The command `pricing-sync`.

Exit codes: 0 done; 1 failed (nothing was read, no price, the database cannot be used);
2 bad input (an option, a name, a setting); 3 partly done (some providers could not be read).
"""

from __future__ import annotations

import sys

from pricing_sync.cli.commands import cli
from pricing_sync.cli.output import err
from pricing_sync.errors import PricingSyncError, SettingsError, UnknownName

BAD_INPUT, FAILED, INTERRUPTED = 2, 1, 130


def main() -> None:
    """Run the command line; every error of ours is one line and an exit code."""
    try:
        cli()
    except PricingSyncError as error:
        err.print(f"error: {error}", markup=False, highlight=False, soft_wrap=True)
        sys.exit(BAD_INPUT if isinstance(error, (SettingsError, UnknownName)) else FAILED)
    except KeyboardInterrupt:
        sys.exit(INTERRUPTED)
    except BrokenPipeError:
        # The reader (`head`) has seen enough.
        sys.stderr.close()
        sys.exit(0)
