"""Prints the classes of all comparisons. Exit code 1 if a difference has no listed reason."""

from __future__ import annotations

import argparse
import sys

from referee import genai_prices_cases, litellm_cases
from referee.grid import Sample


def main() -> int:
    """Judge each peer."""
    parser = argparse.ArgumentParser(prog="python -m referee", description=__doc__)
    parser.add_argument(
        "--every", type=int, default=1, metavar="N", help="compare only each Nth model"
    )
    sample = Sample(max(1, parser.parse_args().every))
    found = [genai_prices_cases.verdicts(sample), litellm_cases.verdicts(sample)]
    for verdicts in found:
        print("\n".join(verdicts.lines()))
    return int(any(verdicts.unexplained for verdicts in found))


if __name__ == "__main__":
    sys.exit(main())
