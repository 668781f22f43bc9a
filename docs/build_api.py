"""Build `docs/api.md`, the list of every public name, from the docstrings and signatures in the source.

    python docs/build_api.py            writes the page
    python docs/build_api.py --check    writes nothing, and fails when the page is out of date

It reads the source and imports nothing of the package, so the page is the same whatever Python builds it: annotations and
defaults are shown as they are written. Needs the standard library only.
"""

from __future__ import annotations

import sys

from api_page.page import page
from api_page.source import ROOT

PAGE = ROOT / "docs" / "api.md"


def main(arguments: list[str]) -> int:
    """Write the page, or with `--check` compare it. Returns the exit status."""
    if arguments not in ([], ["--check"]):
        print(__doc__, file=sys.stderr)
        return 2
    built = page()
    if not arguments:
        PAGE.write_bytes(built.encode())
        return 0
    if PAGE.exists() and PAGE.read_text(encoding="utf-8") == built:
        return 0
    print("docs/api.md is out of date; run: python docs/build_api.py", file=sys.stderr)
    return 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
