"""Put the page together: every public name, in groups, each with its signature and its docstring. Pure."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass

from api_page.docstrings import described, docstring, items, sections
from api_page.signatures import aliases, bases, of_class, of_fixture, of_function, of_value
from api_page.source import Found, client_verbs, decorators, find, public_names

MODULES = (
    "ollama_sync",
    "ollama_sync.tools",
    "ollama_sync.events",
    "ollama_sync.dask",
    "ollama_sync.otel",
    "ollama_sync.flask",
    "ollama_sync.testing",
    "ollama_sync.pytest_plugin",
)

INTRO = """\
# Every public name

Built from the docstrings by `python docs/build_api.py`; a test holds that it is up to date and that every example runs. What a
name shown here is good for is told by the other pages: [streaming](streaming.md), [errors](errors.md), [time limits](timeouts.md),
[threads](threads.md), [seeing inside](observing.md), [Flask](flask.md), [testing](testing.md). Each example finds the name that it is about imported; `...` in what it prints stands for anything.
"""

# An event, or a fixture, is nothing that one makes: a page shows how they are used, together.
SHOWN_ON = {"events": "observing.md", "fixtures": "testing.md"}

_KINDS = {
    "functions": "Functions",
    "classes": "Classes",
    "types": "Replies and other data",
    "errors": "Errors",
    "events": "Events",
    "fixtures": "Fixtures",
    "values": "Values",
}


@dataclass(frozen=True)
class Entry:
    """One public name of the page.

    Args:
        module: where users import it from.
        name: its name there.
        found: its definition.
        is_verb: whether it is a method of `Client` too.
    """

    module: str
    name: str
    found: Found
    is_verb: bool

    @property
    def doc(self) -> str:
        """Its docstring, without the indentation."""
        return docstring(self.found)

    @property
    def example(self) -> str:
        """The code of its example, or "" without one."""
        return sections(self.doc).get("Example", "")

    @property
    def kind(self) -> str:
        """The part of the page that it belongs to, a key of `_KINDS`."""
        if self.found.module == "ollama_sync.errors":
            return "errors"
        if self.found.module == "ollama_sync.events":
            return "events"
        if self.found.module.startswith("ollama_sync.types"):
            return "types"
        if isinstance(self.found.node, ast.FunctionDef):
            is_fixture = "pytest.fixture" in decorators(self.found.node)
            return "fixtures" if is_fixture else "functions"
        return "classes" if isinstance(self.found.node, ast.ClassDef) else "values"

    @property
    def heading(self) -> str:
        """Its heading; no two make the same anchor, whatever the case of their letters."""
        if self.kind == "fixtures":
            return f"fixture `{self.name}`"
        path = f"{self.module}.{self.name}".removeprefix("ollama_sync.")
        word = {ast.FunctionDef: "function", ast.ClassDef: "class"}.get(type(self.found.node))
        return f"{word or 'value'} `{path}`"

    @property
    def link(self) -> str:
        """A link to the heading."""
        anchor = re.sub(r"[^\w\- ]", "", self.heading.lower()).replace(" ", "-")
        return f"[`{self.name}`](#{anchor})"


def entries() -> list[Entry]:
    """List every public name, module by module, in the order of `__all__`."""
    found = []
    for module in MODULES:
        for name in public_names(module):
            definition = find(module, name)
            assert definition is not None, f"{module}.{name} is defined nowhere"
            is_verb = definition in client_verbs().values()
            found.append(Entry(module, name, definition, is_verb))
    return found


def members(found: Found, path: str) -> Iterator[str]:
    """Write what a class has: methods, properties and classes in it."""
    for node in found.as_class.body:
        if not isinstance(node, ast.FunctionDef | ast.ClassDef) or node.name.startswith("_"):
            continue
        inner = Found(found.module, node)
        doc = docstring(inner)
        if not doc or "not for users" in doc or "overload" in decorators(node):
            continue
        name = f"{path}.{node.name}"
        yield f"#### `{name}`"
        if isinstance(node, ast.ClassDef):
            yield f"```py\n{of_class(inner, name)}\n```"
        else:
            yield f"```py\n{of_function(inner, node.name, bound=True)}\n```"
        yield from described(doc)
        if isinstance(node, ast.ClassDef):
            yield from members(inner, name)


def verbs(public: list[Entry]) -> str:
    """List the methods of `Client` that are functions of the module as well."""
    links = ", ".join(entry.link for entry in public if entry.is_verb)
    return f"Its other methods are the functions of the same names, here of one client: {links}."


def of_entry(entry: Entry, public: list[Entry]) -> Iterator[str]:
    """Write one name."""
    found, node = entry.found, entry.found.node
    yield f"### {entry.heading}"
    if entry.kind == "fixtures":
        text = of_fixture(found)
    elif isinstance(node, ast.FunctionDef):
        text = of_function(found, entry.name, bound=entry.is_verb)
    elif isinstance(node, ast.ClassDef):
        text = of_class(found, entry.name)
    else:
        text = of_value(found, entry.name)
    yield f"```py\n{text}\n```"
    yield from aliases(found, {other.name for other in public})
    if isinstance(node, ast.ClassDef):
        yield from of_bases(found, public)
    yield from described(entry.doc)
    if isinstance(node, ast.ClassDef):
        if entry.name == "Client":
            yield verbs(public)
        yield from members(found, entry.name)
        for base in unlisted(found, public):
            yield from members(base, entry.name)


def of_bases(found: Found, public: list[Entry]) -> Iterator[str]:
    """Name the bases of a class, with links to those that the page has, and the fields of those that it has not."""
    listed = {entry.name: entry.link for entry in public}
    hidden = unlisted(found, public)
    above = [base for one in [found, *hidden] for base in one.as_class.bases]
    names = [ast.unparse(base).partition("[")[0] for base in above]
    links = [listed[name] for name in names if name in listed]
    links += [f"`{name}`" for name in names if name.endswith("Error") and name not in listed]
    if links:
        yield f"Is a {' and a '.join(links)}."
    for base in hidden:
        attributes = sections(docstring(base)).get("Attributes")
        if attributes:
            yield f"Beside the attributes listed below it has these:\n\n{items(attributes)}"


def unlisted(found: Found, public: list[Entry]) -> list[Found]:
    """Give the bases of a class that the page does not list, so that what they add is told with the class."""
    listed = [entry.found for entry in public]
    return [
        base for base in bases(found)[1:] if base not in listed and "Attributes:" in docstring(base)
    ]


def page() -> str:
    """Write the page."""
    public = entries()
    links = [entry.link.partition("](")[2] for entry in public]
    assert len(set(links)) == len(links), "two headings with one anchor"
    blocks = [INTRO.strip()]
    groups = []
    for module in MODULES:
        for kind, title in _KINDS.items():
            group = [entry for entry in public if (entry.module, entry.kind) == (module, kind)]
            if group:
                groups.append((f"{title} of `{module}`", group))
    for title, group in groups:
        blocks.append(f"{title}: {', '.join(entry.link for entry in group)}")
    for title, group in groups:
        blocks.append(f"## {title}")
        shown = SHOWN_ON.get(group[0].kind)
        if shown:
            blocks.append(f"[Another page]({shown}) shows how they are used.")
        for entry in group:
            blocks += of_entry(entry, public)
    return "\n\n".join(blocks) + "\n"
