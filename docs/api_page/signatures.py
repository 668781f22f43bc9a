"""Write signatures, with annotations and defaults as they are in the source. Pure."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

from api_page.source import Found, decorators, find, lines_of

_WIDTH = 96


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


def of_fixture(found: Found) -> str:
    """Write a fixture of pytest: what a test gets by its name."""
    assert isinstance(found.node, ast.FunctionDef)
    returned = found.node.returns
    # What it yields, if it has something to do at the end of the test.
    given = returned.slice if isinstance(returned, ast.Subscript) else returned
    assert given is not None
    return f"{found.node.name}: {text_of(found.module, given)}"


def of_value(found: Found, name: str) -> str:
    """Write a value: what it is made of if it names a type, or else of which type it is."""
    node = found.node
    assert isinstance(node, ast.Assign | ast.AnnAssign)
    assert node.value is not None
    if isinstance(node.value, ast.Constant):
        return f"{name}: {type(node.value.value).__name__}"
    if isinstance(node, ast.AnnAssign) and ast.unparse(node.annotation) != "TypeAlias":
        return f"{name}: {text_of(found.module, node.annotation)}"
    return f"{name} = {text_of(found.module, node.value)}"


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
            text += " = ..." if _has_default(node.value) else ""
        elif node.value is not None:
            text += f" = {text_of(found.module, node.value)}"
        if not node.target.id.startswith("_"):
            written.append(text)
    return written


def _has_default(call: ast.Call) -> bool:
    """Tell whether a field has a default; `field(...)` may say other things only."""
    is_field = ast.unparse(call.func) == "field"
    return not is_field or bool({"default", "default_factory"} & {k.arg for k in call.keywords})


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
