"""Turn docstrings into Markdown: sections as headings and lists, examples as code. Pure."""

from __future__ import annotations

import ast
import inspect
import re
from collections.abc import Iterator

from api_page.source import Found, statements

_SECTION = re.compile(r"^(Args|Attributes|Returns|Yields|Raises|Example):[ \t]*$", re.MULTILINE)
_ENTRY = re.compile(r"([*\w]+(?:, [*\w]+)*): ")


def docstring(found: Found) -> str:
    """Give the docstring of a definition: of a value, the text that follows it."""
    if isinstance(found.node, ast.FunctionDef | ast.ClassDef):
        return ast.get_docstring(found.node) or ""
    body = statements(found.module)
    following = [*body[body.index(found.node) + 1 :], None][0]
    if isinstance(following, ast.Expr) and isinstance(following.value, ast.Constant):
        return inspect.cleandoc(str(following.value.value))
    return ""


def sections(doc: str) -> dict[str, str]:
    """Give the sections of a docstring; what comes before them is under ""."""
    first, *rest = _SECTION.split(doc)
    found = {"": first.strip()}
    for title, body in zip(rest[::2], rest[1::2], strict=True):
        found[title] = inspect.cleandoc("\n" + body).strip()
    return found


def items(body: str) -> str:
    """Write the entries of a section as a list; text without entries stays as it is."""
    if not _ENTRY.match(body):
        return body
    lines = []
    for line in body.split("\n"):
        entry = None if line.startswith(" ") else _ENTRY.match(line)
        names = ", ".join(f"`{name}`" for name in entry[1].split(", ")) if entry else ""
        lines.append(f"- {names}: {line[entry.end() :]}" if entry else f"  {line.strip()}".rstrip())
    return "\n".join(lines)


def described(doc: str) -> Iterator[str]:
    """Write a docstring as blocks of Markdown."""
    for title, body in sections(doc).items():
        if title == "Example":
            kind = "pycon" if body.startswith(">>>") else "py"
            yield f"Example:\n\n```{kind}\n{body}\n```"
        elif title:
            yield f"{title}:\n\n{items(body)}"
        elif body:
            yield body
