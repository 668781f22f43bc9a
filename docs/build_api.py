"""Build `docs/api.md`, the list of every public name, from the docstrings and signatures in the source.

    python docs/build_api.py            writes the page
    python docs/build_api.py --check    writes nothing, and fails when the page is out of date

It reads the source and imports nothing of the package, so the page is the same whatever Python builds it: annotations and
defaults are shown as they are written. Needs the standard library only.
"""

from __future__ import annotations

import ast
import functools
import inspect
import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parents[1]
PAGE = ROOT / "docs" / "api.md"
MODULES = ("ollama_sync", "ollama_sync.tools", "ollama_sync.testing")

INTRO = """\
# Every public name

Built from the docstrings by `python docs/build_api.py`; a test holds that it is up to date and that every example runs. What a
name shown here is good for is told by the other pages: [streaming](streaming.md), [errors](errors.md), [time limits](timeouts.md),
[threads](threads.md). Each example finds the name that it is about imported; `...` in what it prints stands for anything.
"""

_KINDS = {
    "functions": "Functions",
    "classes": "Classes",
    "types": "Replies and other data",
    "errors": "Errors",
    "values": "Values",
}
_SECTION = re.compile(r"^(Args|Attributes|Returns|Yields|Raises|Example):[ \t]*$", re.MULTILINE)
_ENTRY = re.compile(r"([*\w]+(?:, [*\w]+)*): ")
_WIDTH = 96

Definition = ast.FunctionDef | ast.ClassDef | ast.Assign | ast.AnnAssign


class Found(NamedTuple):
    """A definition, and the module that holds it."""

    module: str
    node: Definition

    @property
    def as_class(self) -> ast.ClassDef:
        """The definition, which is known to be that of a class."""
        assert isinstance(self.node, ast.ClassDef)
        return self.node


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
        if self.found.module.startswith("ollama_sync.types"):
            return "types"
        if isinstance(self.found.node, ast.FunctionDef):
            return "functions"
        return "classes" if isinstance(self.found.node, ast.ClassDef) else "values"

    @property
    def heading(self) -> str:
        """Its heading; no two make the same anchor, whatever the case of their letters."""
        path = f"{self.module}.{self.name}".removeprefix("ollama_sync.")
        word = {ast.FunctionDef: "function", ast.ClassDef: "class"}.get(type(self.found.node))
        return f"{word or 'value'} `{path}`"

    @property
    def link(self) -> str:
        """A link to the heading."""
        anchor = re.sub(r"[^\w\- ]", "", self.heading.lower()).replace(" ", "-")
        return f"[`{self.name}`](#{anchor})"


# Reading the source.


@functools.cache
def source_of(module: str) -> str:
    """Give the text of a module of the package."""
    path = ROOT.joinpath(*module.split("."))
    file = path / "__init__.py" if path.is_dir() else path.with_suffix(".py")
    return file.read_text(encoding="utf-8")


@functools.cache
def lines_of(module: str) -> list[bytes]:
    """Give the lines of a module, as bytes."""
    return source_of(module).encode().split(b"\n")


@functools.cache
def statements(module: str) -> list[ast.stmt]:
    """Give the statements of a module, also those for type checkers."""
    found: list[ast.stmt] = []
    for node in ast.parse(source_of(module)).body:
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
            found += node.body
        else:
            found.append(node)
    return found


def bound_names(node: ast.stmt) -> list[str]:
    """Give the names that a statement defines."""
    if isinstance(node, ast.FunctionDef | ast.ClassDef):
        return [] if "overload" in decorators(node) else [node.name]
    targets = node.targets if isinstance(node, ast.Assign) else []
    if isinstance(node, ast.AnnAssign) and node.value is not None:
        targets = [node.target]
    return [target.id for target in targets if isinstance(target, ast.Name)]


def decorators(node: ast.FunctionDef | ast.ClassDef) -> set[str]:
    """Give the names of the decorators."""
    return {ast.unparse(decorator).partition("(")[0] for decorator in node.decorator_list}


def find(module: str, name: str) -> Found | None:
    """Follow the imports to the definition of a name; None when that is not in the package."""
    for node in statements(module):
        if name in bound_names(node) and isinstance(node, Definition):
            verb = _verb(module, node)
            return verb or Found(module, node)
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("ollama_sync"):
            for alias in node.names:
                if name == (alias.asname or alias.name):
                    return find(str(node.module), alias.name)
    return None


def _verb(module: str, node: Definition) -> Found | None:
    """Follow `chat = default_client().chat`, and `chat = _answers.chat` in the body of `Client`, to the function."""
    if not (module == "ollama_sync._default" and isinstance(node, ast.Assign)):
        return None
    if not (isinstance(node.value, ast.Attribute) and isinstance(node.value.value, ast.Call)):
        return None
    return client_verbs()[node.value.attr]


@functools.cache
def client_verbs() -> dict[str, Found]:
    """Give the functions that are methods of `Client`, by name."""
    client = find("ollama_sync", "Client")
    assert client is not None
    verbs = {}
    for node in client.as_class.body:
        if isinstance(node, ast.Assign) and isinstance(node.value, ast.Attribute):
            verb = find(f"ollama_sync._verbs.{ast.unparse(node.value.value)}", node.value.attr)
            assert verb is not None, ast.unparse(node)
            verbs[bound_names(node)[0]] = verb
    return verbs


def entries() -> list[Entry]:
    """List every public name, in the order of `__all__`."""
    found = []
    for module in MODULES:
        for node in statements(module):
            if bound_names(node) != ["__all__"]:
                continue
            assert isinstance(node, ast.Assign)
            for name in ast.literal_eval(node.value):
                definition = find(module, name)
                assert definition is not None, f"{module}.{name} is defined nowhere"
                is_verb = definition in client_verbs().values()
                found.append(Entry(module, name, definition, is_verb))
    return found


# Docstrings.


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


# Signatures.


def text_of(module: str, node: ast.expr) -> str:
    """Give the source of an expression in one line."""
    # As `ast.get_source_segment` does, which splits the whole source anew each time. Columns count bytes.
    first, last = node.lineno - 1, (node.end_lineno or node.lineno) - 1
    lines = lines_of(module)[first : last + 1]
    lines[-1] = lines[-1][: node.end_col_offset]
    lines[0] = lines[0][node.col_offset :]
    text = b"\n".join(lines).decode()
    return re.sub(r"(?<=[\[(])\s+|\s+(?=[\])])|(?<=\s)\s+", "", text).replace("\n", " ").strip()


def parameter(module: str, arg: ast.arg, default: ast.expr | None) -> str:
    """Write one parameter."""
    text = arg.arg
    if arg.annotation is not None:
        text += f": {text_of(module, arg.annotation)}"
    if default is not None:
        equals = " = " if arg.annotation is not None else "="
        text += f"{equals}{text_of(module, default)}"
    return text


def parameters(module: str, node: ast.FunctionDef, *, bound: bool) -> list[str]:
    """Write the parameters of a function, without the first of a method."""
    args = node.args
    positional = [*args.posonlyargs, *args.args]
    defaults = [None] * (len(positional) - len(args.defaults)) + args.defaults
    found = [parameter(module, *pair) for pair in zip(positional, defaults, strict=True)]
    found = found[1:] if bound else found
    if args.vararg is not None:
        found.append(f"*{parameter(module, args.vararg, None)}")
    elif args.kwonlyargs:
        found.append("*")
    pairs = zip(args.kwonlyargs, args.kw_defaults, strict=True)
    found += [parameter(module, *pair) for pair in pairs]
    if args.kwarg is not None:
        found.append(f"**{parameter(module, args.kwarg, None)}")
    return found


def call(head: str, inside: list[str], result: str = "") -> str:
    """Write a call in one line, or when that is too long one parameter a line."""
    line = f"{head}({', '.join(inside)}){result}"
    if len(line) <= _WIDTH:
        return line
    return "\n".join([f"{head}(", *(f"    {one}," for one in inside), f"){result}"])


def of_function(found: Found, name: str, *, bound: bool) -> str:
    """Write the signature of a function."""
    assert isinstance(found.node, ast.FunctionDef)
    node, module = found.node, found.module
    result = f" -> {text_of(module, node.returns)}" if node.returns is not None else ""
    if decorators(node) & {"property", "functools.cached_property"}:
        return name + result.replace(" -> ", ": ", 1)
    is_static = "staticmethod" in decorators(node)
    return call(name, parameters(module, node, bound=bound and not is_static), result)


def bases(found: Found) -> list[Found]:
    """Give a class and those of its bases that the package defines, the class first."""
    chain = [found]
    for base in found.as_class.bases:
        above = find(found.module, ast.unparse(base).partition("[")[0])
        if above is not None and isinstance(above.node, ast.ClassDef):
            chain += [one for one in bases(above) if one not in chain]
    return chain


def fields(found: Found) -> list[str]:
    """Write the declared fields of a class as parameters."""
    written = []
    for node in found.as_class.body:
        if not isinstance(node, ast.AnnAssign) or not isinstance(node.target, ast.Name):
            continue
        text = f"{node.target.id}: {text_of(found.module, node.annotation)}"
        if isinstance(node.value, ast.Call):
            text += " = ..."
        elif node.value is not None:
            text += f" = {text_of(found.module, node.value)}"
        if not node.target.id.startswith("_"):
            written.append(text)
    return written


def of_class(found: Found, name: str) -> str:
    """Write what makes an object of a class: its `__init__`, or its fields."""
    chain = bases(found)
    if "View" in [one.as_class.name for one in chain[1:]]:
        above = [one for one in reversed(chain) if one.as_class.name != "View"]
        by_name = {line.partition(":")[0]: line for one in above for line in fields(one)}
        return call(f"class {name}", ["*", *by_name.values()])
    for one in chain:
        if "dataclass" in decorators(one.as_class):
            return call(f"class {name}", fields(one))
        for node in one.as_class.body:
            if isinstance(node, ast.FunctionDef) and node.name == "__init__":
                return call(f"class {name}", parameters(one.module, node, bound=True))
    return f"class {name}({', '.join(ast.unparse(base) for base in found.as_class.bases)})"


def aliases(found: Found, public: set[str]) -> Iterator[str]:
    """Say what the names of types in a signature stand for, where the page does not say it elsewhere."""
    node = found.node
    if not isinstance(node, ast.FunctionDef):
        return
    named = [arg.annotation for arg in ast.walk(node.args) if isinstance(arg, ast.arg)]
    words = [
        word.id
        for annotation in named
        if annotation is not None
        for word in ast.walk(annotation)
        if isinstance(word, ast.Name)
    ]
    for word in dict.fromkeys(words):
        alias = find(found.module, word)
        if alias is None or word in public or not isinstance(alias.node, ast.Assign):
            continue
        if not isinstance(alias.node.value, ast.Call):  # as a TypeVar
            yield f"`{word}` is `{text_of(alias.module, alias.node.value)}`."


# The page.


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
    if isinstance(node, ast.FunctionDef):
        text = of_function(found, entry.name, bound=entry.is_verb)
    elif isinstance(node, ast.ClassDef):
        text = of_class(found, entry.name)
    else:
        assert node.value is not None
        text = f"{entry.name} = {text_of(found.module, node.value)}"
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
        for entry in group:
            blocks += of_entry(entry, public)
    return "\n\n".join(blocks) + "\n"


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
