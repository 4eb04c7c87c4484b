"""Prints the classes of all comparisons. Exit code 1 if a difference has no listed reason."""

from __future__ import annotations

import sys

from referee import genai_prices_cases, litellm_cases


def main() -> int:
    """Judge each peer."""
    found = [genai_prices_cases.verdicts(), litellm_cases.verdicts()]
    for verdicts in found:
        print("\n".join(verdicts.lines()))
    return int(any(verdicts.unexplained for verdicts in found))


if __name__ == "__main__":
    sys.exit(main())
