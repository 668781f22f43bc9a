"""Do what the README says first, as a new user would: in a copy of the checkout, with nothing installed.

Usage: python .ci/readme.py CHECKOUT EMPTY_FOLDER. Exits non-zero when the first command fails, or prints something else than the
README shows. Figures may differ.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

NOT_COPIED = [".git", ".tox", ".venv*", ".*_cache", ".hypothesis", "__pycache__", "build", "dist"]


def shape(text: str) -> list[str]:
    """Give the lines of a text, with the same number in the place of every number."""
    return [" ".join(re.sub(r"[\d.]*\d", "#", line).split()) for line in text.splitlines()]


def main(checkout: Path, work: Path) -> None:
    """Copy, run, compare."""
    source = work / "source"
    shutil.rmtree(source, ignore_errors=True)
    shutil.copytree(checkout, source, ignore=shutil.ignore_patterns(*NOT_COPIED))
    readme = (source / "README.md").read_text(encoding="utf-8")
    command, shown = (
        re.findall(rf"^```{language}\n(.*?)^```$", readme, re.MULTILINE | re.DOTALL)[0]
        for language in ("bash", "text")
    )
    done = subprocess.run(  # noqa: S603  # our own README
        ["bash", "-e", "-c", command],  # noqa: S607  # as the reader's shell finds it
        cwd=source,
        check=True,
        stdout=subprocess.PIPE,
        encoding="utf-8",
    )
    wanted = shape(shown)
    if shape(done.stdout)[-len(wanted) :] != wanted:
        sys.exit(f"readme: it printed\n{done.stdout}\nand not\n{shown}")


if __name__ == "__main__":
    main(Path(sys.argv[1]).resolve(), Path(sys.argv[2]).resolve())
