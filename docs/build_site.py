"""A hook of mkdocs, see `mkdocs.yml`: brings into the site what stands outside of `docs`.

The README becomes the first page, and the examples become one. A link to any other file of the repository leads to a copy of it.
"""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any

from mkdocs.structure.files import File

ROOT = Path(__file__).resolve().parents[1]

# Pages of the site by the files they are made of.
_PAGES = {
    "README.md": "index.md",
    "CONTRIBUTING.md": "contributing.md",
    "CHANGELOG.md": "changelog.md",
    "examples/README.md": "examples.md",
}
_LINK = re.compile(r"(?<=\]\()(?![a-z]+:|#)([^()\s#]+)")
_FENCES = re.compile(r"(^```.*?^```$)", re.MULTILINE | re.DOTALL)


def on_files(files: Any, config: Any) -> Any:
    """Add the pages that are no files of `docs`."""
    for source, page in _PAGES.items():
        text = (ROOT / source).read_text(encoding="utf-8")
        if page == "examples.md":
            text += _code_of_the_examples()
        files.append(File.generated(config, page, content=text))
    return files


def on_page_markdown(markdown: str, page: Any, config: Any, files: Any) -> str:
    """Have the links of a page lead to where their targets are in the site; code is left as it is."""
    sources = {made: source for source, made in _PAGES.items()}
    folder = (ROOT / sources.get(page.file.src_uri, f"docs/{page.file.src_uri}")).parent

    def in_site(match: re.Match[str]) -> str:
        target = os.path.relpath((folder / match[1]).resolve(), ROOT).replace(os.sep, "/")
        if target in _PAGES:
            return _PAGES[target]
        if target.startswith("docs/"):
            return target.removeprefix("docs/")
        if example := re.fullmatch(r"examples/(\w+)\.py", target):
            return f"examples.md#{example[1]}py"
        if files.get_file_from_path(target) is None and (ROOT / target).is_file():
            content = (ROOT / target).read_bytes()
            files.append(File.generated(config, target, content=content))
        return target

    pieces = _FENCES.split(markdown)
    pieces[::2] = [_LINK.sub(in_site, piece) for piece in pieces[::2]]
    return "".join(pieces)


def _code_of_the_examples() -> str:
    """Give the code of each example that is one file, below a heading of its name."""
    return "".join(
        f"\n## {path.name}\n\n```python\n{path.read_text(encoding='utf-8')}```\n"
        for path in sorted((ROOT / "examples").glob("*.py"))
    )
