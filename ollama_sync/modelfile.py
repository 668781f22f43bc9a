"""`Modelfile`: the recipe of a model, read from its text into what `create` takes.

The server takes no such text: whoever reads it does so before asking. Pure, but that paths are looked at (whether they exist,
what a folder holds; no file is opened). Runs on any thread; blocks for these looks only.
"""

from __future__ import annotations

import math
import os
import re
import warnings
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from ollama_sync.errors import RequestError
from ollama_sync.types import Options

__all__ = ["Modelfile"]

_TEXTS = ("TEMPLATE", "SYSTEM", "RENDERER", "PARSER", "REQUIRES")
_COMMANDS = ("ADAPTER", "DRAFT", "FROM", "LICENSE", "MESSAGE", "PARAMETER", *_TEXTS)
_ROLES = ("assistant", "system", "user")

# The server no longer knows them; old Modelfiles do.
_REMOVED = frozenset(
    {
        "embedding_only",
        "f16_kv",
        "logits_all",
        "low_vram",
        "mirostat",
        "mirostat_eta",
        "mirostat_tau",
        "numa",
        "penalize_newline",
        "tfs_z",
        "use_mlock",
        "vocab_only",
    }
)
# Name: type, as `Options` declares it: "int", "float", "bool", "Sequence[str]".
_PARAMETERS: Mapping[str, str] = {
    name: declared.partition(" ")[0]
    for name, declared in Options.__annotations__.items()
    if name not in _REMOVED
}
_TRUTHS = {
    **dict.fromkeys(("1", "t", "T", "true", "True", "TRUE"), True),
    **dict.fromkeys(("0", "f", "F", "false", "False", "FALSE"), False),
}
_INTEGER = re.compile(r"[+-]?[0-9]+")
_LONGEST_INTEGER = 20  # digits; the server's have 64 bits

# The first pattern that finds something names the weights; the files beside them are taken as well.
_WEIGHTS = (
    "model*.safetensors",
    "consolidated*.safetensors",
    "pytorch_model*.bin",
    "consolidated*.pth",
    "*.gguf",
    "*.bin",
)
_ADAPTER_WEIGHTS = ("adapter*.safetensors", *_WEIGHTS)
# Embedders keep the description of their pooling one folder further down.
_BESIDE = ("*.json", "*/*.json", "chat_template.jinja", "tokenizer.model")


@dataclass(frozen=True)
class Modelfile:
    r'''What a Modelfile says, as the arguments of `create`.

    Args:
        from_: the name of the model to start from; None when it starts from files.
        files: the files to start from: their names in the model, and where they are.
        adapters: the files of adapters, likewise.
        draft_files: the files of a draft model, likewise.
        template: the prompt template.
        system: the system prompt.
        license: the licences.
        parameters: the options, each as the type that it has: "stop" is a list of str.
        messages: what begins every conversation: dicts with "role" and "content".
        renderer: what renders prompts, in place of a template.
        parser: what reads the output.
        requires: the oldest version of the server that can run it.

    Example:
        >>> text = """
        ... # A terse one.
        ... FROM llama3.2
        ... PARAMETER temperature 0.2
        ... SYSTEM "Answer in one word."
        ... """
        >>> Modelfile.parse(text).to_create_arguments()
        {'from_': 'llama3.2', 'system': 'Answer in one word.', 'parameters': {'temperature': 0.2}}
    '''

    from_: str | None = None
    files: Mapping[str, Path] = field(default_factory=dict)
    adapters: Mapping[str, Path] = field(default_factory=dict)
    draft_files: Mapping[str, Path] = field(default_factory=dict)
    template: str | None = None
    system: str | None = None
    license: Sequence[str] = ()
    parameters: Mapping[str, Any] = field(default_factory=dict)
    messages: Sequence[Mapping[str, str]] = ()
    renderer: str | None = None
    parser: str | None = None
    requires: str | None = None

    @classmethod
    def parse(cls, text: str, *, folder: str | os.PathLike[str] | None = None) -> Modelfile:
        """Read the text of a Modelfile.

        A value is bare (to the end of its line), `"quoted"` or in three quotes; quoted ones may span lines, and nothing is
        escaped in them. What follows FROM is a path where one exists, else the name of a model. A command that comes again
        takes the place of the one before, but FROM (files), ADAPTER, DRAFT, LICENSE, MESSAGE and `PARAMETER stop` add up.

        Warns (`UserWarning`) of parameters that servers no longer know, and leaves them out. Blocks while paths are looked at.

        Args:
            text: of the whole file.
            folder: where relative paths begin; None is the current folder.

        Returns:
            what the text says.

        Raises:
            RequestError: a line is wrong, by its number, or there is no FROM.
        """
        draft = _Draft(Path(folder or "."))
        for line in _lines(text.removeprefix("\ufeff")):
            draft.add(line)
        for warning in draft.warnings:
            warnings.warn(warning, stacklevel=2)
        return draft.finished()

    def to_create_arguments(self) -> dict[str, Any]:
        """Return the keyword arguments for `Client.create`; what the Modelfile does not say is left out.

        The dict and the lists in it are new; files stay paths.
        """
        given = {
            "from_": self.from_,
            "files": dict(self.files) or None,
            "adapters": dict(self.adapters) or None,
            "draft_files": dict(self.draft_files) or None,
            "template": self.template,
            "system": self.system,
            "license": list(self.license) or None,
            "parameters": {
                name: list(value) if isinstance(value, list) else value
                for name, value in self.parameters.items()
            }
            or None,
            "messages": [dict(message) for message in self.messages] or None,
            "renderer": self.renderer,
            "parser": self.parser,
            "requires": self.requires,
        }
        return {name: value for name, value in given.items() if value is not None}


class _Line(NamedTuple):
    """One command: the number of its (first) line, the command in capitals, its first word where it has one, its value."""

    number: int
    command: str
    word: str
    value: str

    def refused(self, given: str, accepted: str) -> RequestError:
        """Return the error that says what was given here, and what is accepted."""
        return _refused(self.number, given, accepted)


def _refused(number: int, given: str, accepted: str) -> RequestError:
    shown = given if len(given) <= 80 else f"{given[:77]}..."
    return RequestError(f"Modelfile, line {number}: {shown!r}: {accepted}")


def _lines(text: str) -> Iterator[_Line]:
    """Yield the commands. Only a newline ends a line: other separators of Unicode may stand in a prompt."""
    rows = enumerate(text.split("\n"), 1)
    for number, row in rows:
        said = row.strip()
        if not said or said.startswith("#"):
            continue
        first, value = _cut(said)
        command, word = first.upper(), ""
        if command not in _COMMANDS:
            raise _refused(number, first, f"a command: {', '.join(sorted(_COMMANDS))}")
        if command in ("PARAMETER", "MESSAGE"):
            word, value = _cut(value)
        if not value:
            wanted = {
                "PARAMETER": "PARAMETER, a name and a value",
                "MESSAGE": f"MESSAGE, a role ({', '.join(_ROLES)}) and a text",
            }
            raise _refused(number, said, wanted.get(command, f'{command} and a value; "" is empty'))
        # Blanks at the end of a row count where the value goes on in the next one.
        value += row[len(row.rstrip()) :]
        yield _Line(number, command, word, _unquoted(number, value, rows))


def _cut(text: str) -> tuple[str, str]:
    """Return the first word of a text, and what follows the blanks behind it."""
    word, *rest = text.split(None, 1) or [""]
    return word, rest[0] if rest else ""


def _unquoted(number: int, value: str, rows: Iterator[tuple[int, str]]) -> str:
    """Return a value without its quotes, taking further rows where they are not closed."""
    quote = next((quote for quote in ('"""', '"') if value.startswith(quote)), "")
    if not quote:
        return value.strip()
    taken = [value]
    while True:
        last = taken[-1].rstrip()
        # In the first row the closing quotes are others than the opening ones.
        if last.endswith(quote) and (len(taken) > 1 or len(last) >= 2 * len(quote)):
            taken[-1] = last
            return "\n".join(taken)[len(quote) : -len(quote)]
        _, row = next(rows, (0, None))
        if row is None:
            raise _refused(number, taken[0], f"{quote} at the end of a line closes the text")
        taken.append(row)


class _Draft:
    """A Modelfile in the making. Lives within one call of `parse`, which alone writes it."""

    def __init__(self, folder: Path) -> None:
        self.warnings: list[str] = []
        self._folder = folder
        self._from: str | None = None
        self._paths: dict[str, dict[str, Path]] = {"FROM": {}, "ADAPTER": {}, "DRAFT": {}}
        self._texts: dict[str, str] = {}
        self._licenses: list[str] = []
        self._parameters: dict[str, Any] = {}
        self._messages: list[dict[str, str]] = []

    def add(self, line: _Line) -> None:
        """Take in one command."""
        if line.command in _TEXTS:
            self._texts[line.command.lower()] = line.value
        elif line.command == "LICENSE":
            self._licenses.append(line.value)
        elif line.command == "MESSAGE":
            if line.word not in _ROLES:
                raise line.refused(line.word, f"the role of a message: {', '.join(_ROLES)}")
            self._messages.append({"role": line.word, "content": line.value})
        elif line.command == "PARAMETER":
            self._add_parameter(line)
        elif line.command == "FROM":
            self._add_from(line)
        else:
            self._add_files(line)

    def _add_from(self, line: _Line) -> None:
        if self._add_files(line, may_be_name=True):
            if self._from is None:
                return
        elif self._from is None and not self._paths["FROM"]:
            self._from = line.value
            return
        raise line.refused(line.value, "one FROM with a name, or one or more with files; not both")

    def _add_files(self, line: _Line, *, may_be_name: bool = False) -> bool:
        """Take in what is at a path. False when there is nothing, and the value may be the name of a model instead."""
        if not line.value or "\0" in line.value:
            raise line.refused(line.value, "a path, or after FROM also the name of a model")
        try:
            path = self._folder / Path(line.value).expanduser()
            found = _files_at(path, _ADAPTER_WEIGHTS if line.command == "ADAPTER" else _WEIGHTS)
        except (OSError, RuntimeError) as error:  # no such user; too long
            raise line.refused(line.value, f"a path that can be read: {error}") from error
        if found is None:
            if may_be_name and not line.value.startswith(("/", "./", "../", "~")):
                return False
            raise line.refused(line.value, f"a path that exists; there is no {str(path)!r}")
        if not found:
            raise line.refused(line.value, f"a folder with weights: {', '.join(_WEIGHTS)}")
        taken = self._paths[line.command]
        for name, file in found.items():
            if name in taken:
                raise line.refused(line.value, f"files of different names; {name!r} is there twice")
            taken[name] = file
        return True

    def _add_parameter(self, line: _Line) -> None:
        name = line.word
        if name in _REMOVED:
            self.warnings.append(
                f"Modelfile, line {line.number}: servers no longer know the parameter {name!r}; it is left out"
            )
        elif name not in _PARAMETERS:
            raise line.refused(name, f"a parameter: {', '.join(sorted(_PARAMETERS))}")
        elif name == "stop":
            self._parameters.setdefault("stop", []).append(line.value)
        else:
            self._parameters[name] = _typed(line)

    def finished(self) -> Modelfile:
        """Return what was taken in."""
        files = self._paths["FROM"]
        if self._from is None and not files:
            raise RequestError("Modelfile: no FROM: a line with it and a path, or a model's name")
        return Modelfile(
            from_=self._from,
            files=files,
            adapters=self._paths["ADAPTER"],
            draft_files=self._paths["DRAFT"],
            license=tuple(self._licenses),
            parameters=self._parameters,
            messages=tuple(self._messages),
            **self._texts,
        )


def _typed(line: _Line) -> bool | int | float:
    """Return the value of a parameter as the type that it has."""
    name, value = line.word, line.value
    if _PARAMETERS[name] == "bool":
        if value not in _TRUTHS:
            raise line.refused(f"{name} {value}", "true or false")
        return _TRUTHS[value]
    if _PARAMETERS[name] == "int":
        if not _INTEGER.fullmatch(value) or len(value) > _LONGEST_INTEGER:
            raise line.refused(f"{name} {value}", "a whole number")
        return int(value)
    try:
        number = float(value)
    except ValueError as error:
        raise line.refused(f"{name} {value}", "a number") from error
    if not math.isfinite(number):
        raise line.refused(f"{name} {value}", "a finite number")
    return number


def _files_at(path: Path, weights: Sequence[str]) -> dict[str, Path] | None:
    """Return the files of a model by name: a file itself, or what a folder holds of one. None when nothing is there."""
    if not path.is_dir():
        return {path.name: path} if path.exists() else None
    for pattern in weights:
        if found := sorted(path.glob(pattern)):
            beside = {file for pattern in _BESIDE for file in path.glob(pattern)}
            chosen = [*found, *sorted(beside - set(found))]
            return {file.relative_to(path).as_posix(): file for file in chosen if file.is_file()}
    return {}
