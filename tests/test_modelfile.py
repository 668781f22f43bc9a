"""Modelfiles: what each line becomes, which files are found, and how what is wrong is named."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ollama_sync.errors import RequestError
from ollama_sync.modelfile import _PARAMETERS, _REMOVED, Modelfile
from ollama_sync.types import Options


def parse(text: str) -> dict[str, Any]:
    """Read a Modelfile that starts from a name, and give what it says beyond that."""
    arguments = Modelfile.parse(f"FROM a-model\n{text}").to_create_arguments()
    assert arguments.pop("from_") == "a-model"
    return arguments


def make(folder: Path, *names: str) -> None:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(b"x")


# What each command becomes.


def test_a_whole_modelfile() -> None:
    """Every command lands in its argument, in the order of the text where it repeats."""
    text = '''
# A comment, and a blank line.

  from llama3.2:1b
TEMPLATE """{{ .System }}
{{ .Prompt }}"""
System "You are brief."
LICENSE MIT
LICENSE """
Apache
"""
PARAMETER temperature 0.5
PARAMETER num_ctx 4096
PARAMETER use_mmap false
PARAMETER stop <|end|>
PARAMETER stop "two words "
message user Is it so?
MESSAGE assistant "Yes."
RENDERER qwen3
PARSER harmony
REQUIRES 0.14.0
'''
    assert Modelfile.parse(text).to_create_arguments() == {
        "from_": "llama3.2:1b",
        "template": "{{ .System }}\n{{ .Prompt }}",
        "system": "You are brief.",
        "license": ["MIT", "\nApache\n"],
        "parameters": {
            "temperature": 0.5,
            "num_ctx": 4096,
            "use_mmap": False,
            "stop": ["<|end|>", "two words "],
        },
        "messages": [
            {"role": "user", "content": "Is it so?"},
            {"role": "assistant", "content": "Yes."},
        ],
        "renderer": "qwen3",
        "parser": "harmony",
        "requires": "0.14.0",
    }


def test_what_is_not_said_is_left_out() -> None:
    """The arguments hold nothing that the text does not say."""
    assert parse("") == {}


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ("bare words # no comment", "bare words # no comment"),
        ("   bare   ", "bare"),
        ('"quoted "', "quoted "),
        ('""', ""),
        ('""""""', ""),
        ('"a "word" inside"', 'a "word" inside'),
        ('"over\ntwo lines"', "over\ntwo lines"),
        ('"""over \n\n  three "lines"\n"""  ', 'over \n\n  three "lines"\n'),
        ('"""# no comment\nFROM here"""', "# no comment\nFROM here"),
        (r'"no \n escape"', r"no \n escape"),
        ("it's", "it's"),
        ("a\u2028b\x85c", "a\u2028b\x85c"),
    ],
)
def test_quoting(written: str, read: str) -> None:
    """Bare values end with their line and are stripped; quoted ones are as they are, over lines, without escapes."""
    assert parse(f"SYSTEM {written}\nRENDERER after") == {"system": read, "renderer": "after"}


def test_lines_of_windows_and_a_byte_order_mark() -> None:
    """A carriage return at the end of a line is no part of a bare value, nor is a mark at the start of the text."""
    text = "\ufeffFROM m\r\nSYSTEM be kind\r\n"
    assert Modelfile.parse(text).to_create_arguments() == {"from_": "m", "system": "be kind"}


def test_the_last_one_counts() -> None:
    """Where a command has one value, the last line with it wins."""
    said = parse("SYSTEM a\nPARAMETER seed 1\nSYSTEM b\nPARAMETER seed 2")
    assert said == {"system": "b", "parameters": {"seed": 2}}


@pytest.mark.parametrize(
    ("written", "value"),
    [
        ("seed -1", -1),
        ("top_p 1", 1.0),
        ("min_p 5e-2", 0.05),
        ("use_mmap T", True),
        ("use_mmap 0", False),
        ("num_gpu +3", 3),
        ('temperature "0.7"', 0.7),
    ],
)
def test_parameters_are_typed(written: str, value: object) -> None:
    """A parameter's value is of the type that the option has."""
    (read,) = parse(f"PARAMETER {written}")["parameters"].values()
    assert read == value
    assert type(read) is type(value)


def test_every_option_is_known() -> None:
    """Each option of `Options` is a parameter of a type that can be read, or one that is warned about."""
    assert set(Options.__annotations__) == set(_PARAMETERS) | _REMOVED
    assert set(_PARAMETERS.values()) == {"int", "float", "bool", "Sequence[str]"}


@pytest.mark.parametrize("name", sorted(_REMOVED))
def test_removed_parameters_are_dropped_with_a_warning(name: str) -> None:
    """What servers no longer know is left out, and its line is named; the warning points at the caller."""
    with pytest.warns(UserWarning, match=f"line 2: .*'{name}'") as caught:
        said = Modelfile.parse(f"FROM m\nPARAMETER {name} 1")
    assert said.to_create_arguments() == {"from_": "m"}
    assert caught[0].filename == __file__


# Files.


def test_a_path_that_exists_is_a_file(tmp_path: Path) -> None:
    """FROM, ADAPTER and DRAFT take files, relative to the folder; names are theirs, and several add up."""
    make(tmp_path, "w/model.gguf", "mmproj.gguf", "lora.gguf", "small.gguf")
    text = f"FROM w/model.gguf\nFROM {tmp_path}/mmproj.gguf\nADAPTER ./lora.gguf\nDRAFT small.gguf"
    said = Modelfile.parse(text, folder=tmp_path)
    assert said.from_ is None
    assert said.files == {
        "model.gguf": tmp_path / "w/model.gguf",
        "mmproj.gguf": tmp_path / "mmproj.gguf",
    }
    assert said.to_create_arguments() == {
        "files": said.files,
        "adapters": {"lora.gguf": tmp_path / "lora.gguf"},
        "draft_files": {"small.gguf": tmp_path / "small.gguf"},
    }


def test_paths_begin_in_the_current_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a folder, relative paths are looked up where the process is."""
    make(tmp_path, "a.gguf")
    monkeypatch.chdir(tmp_path)
    assert Modelfile.parse("FROM a.gguf").files == {"a.gguf": Path("a.gguf")}


def test_a_path_may_begin_at_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`~` is the user's own folder."""
    make(tmp_path, "a.gguf")
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    assert Modelfile.parse("FROM ~/a.gguf").files == {"a.gguf": tmp_path / "a.gguf"}


@pytest.mark.parametrize(
    ("there", "taken"),
    [
        (["model-1.safetensors", "model-2.safetensors", "x.gguf"], 2),
        (["consolidated.safetensors", "pytorch_model.bin"], 1),
        (["pytorch_model.bin", "consolidated.pth"], 1),
        (["consolidated.00.pth", "a.gguf"], 1),
        (["a.gguf", "b.gguf", "c.bin"], 2),
        (["c.bin", "d.bin", "readme.md"], 2),
    ],
)
def test_a_folder_gives_the_first_kind_of_weights(
    tmp_path: Path, there: list[str], taken: int
) -> None:
    """Of the kinds of weights only the first that is there is taken, with what describes them."""
    beside = ["1_Pooling/config.json", "chat_template.jinja", "config.json", "tokenizer.model"]
    make(tmp_path, *there, *beside, "notes.txt")
    (tmp_path / "folder.json").mkdir()
    files = Modelfile.parse(f"FROM {tmp_path}").files
    assert list(files) == [*there[:taken], *beside]
    assert all(path == tmp_path / name for name, path in files.items())


def test_a_folder_with_an_adapter(tmp_path: Path) -> None:
    """ADAPTER also takes a folder as training programs leave it."""
    make(tmp_path, "adapter_model.safetensors", "adapter_config.json")
    said = Modelfile.parse(f"FROM m\nADAPTER {tmp_path}")
    assert list(said.adapters) == ["adapter_model.safetensors", "adapter_config.json"]


# What is wrong.


@pytest.mark.parametrize(
    ("text", "line", "given", "accepted"),
    [
        ("FROM m\n\nFORM x", 3, "FORM", "ADAPTER, DRAFT, FROM, LICENSE"),
        ("FROM", 1, "FROM", "FROM and a value"),
        ('FROM ""', 1, "", "a path"),
        ("FROM a\nFROM b", 2, "b", "one FROM with a name"),
        ("FROM ./missing.gguf", 1, "./missing.gguf", "a path that exists"),
        ("FROM m\nADAPTER lora", 2, "lora", "a path that exists"),
        ("FROM m\nDRAFT small", 2, "small", "a path that exists"),
        ("FROM a\x00b", 1, "a\\x00b", "a path"),
        ("FROM " + "a" * 70 + "/b" * 2500, 1, "a" * 70 + "/b/b/b/...", "a path that can be read"),
        ("FROM m\nPARAMETER", 2, "PARAMETER", "PARAMETER, a name and a value"),
        ("FROM m\nPARAMETER seed", 2, "PARAMETER seed", "a name and a value"),
        ("FROM m\nPARAMETER temprature 1", 2, "temprature", "a parameter: draft_num_predict"),
        ("FROM m\nPARAMETER seed 1.5", 2, "seed 1.5", "a whole number"),
        ("FROM m\nPARAMETER seed 1_0", 2, "seed 1_0", "a whole number"),
        ("FROM m\nPARAMETER top_p high", 2, "top_p high", "a number"),
        ("FROM m\nPARAMETER top_p nan", 2, "top_p nan", "a finite number"),
        ("FROM m\nPARAMETER use_mmap yes", 2, "use_mmap yes", "true or false"),
        ("FROM m\nMESSAGE user", 2, "MESSAGE user", "a role (assistant, system, user)"),
        ("FROM m\nMESSAGE bot hi", 2, "bot", "assistant, system, user"),
        ("FROM m\nSYSTEM", 2, "SYSTEM", "SYSTEM and a value"),
        ('FROM m\nSYSTEM """a\nb"\n', 2, '"""a', '""" at the end of a line'),
        ('FROM m\nSYSTEM "a" and\nb', 2, '"a" and', '" at the end of a line'),
    ],
)
def test_what_is_wrong_is_named(text: str, line: int, given: str, accepted: str) -> None:
    """The error names the line, what was given, and what is accepted."""
    with pytest.raises(RequestError) as caught:
        Modelfile.parse(text, folder="/nonexistent")
    said = str(caught.value)
    assert said.startswith(f"Modelfile, line {line}: '{given}': ")
    assert accepted in said


def test_without_from() -> None:
    """There must be something to start from."""
    with pytest.raises(RequestError, match="no FROM"):
        Modelfile.parse("SYSTEM a")


def test_a_long_value_is_shown_in_part() -> None:
    """An error quotes no more than the head of what was given."""
    with pytest.raises(RequestError) as caught:
        Modelfile.parse("x" * 10_000)
    assert len(str(caught.value)) < 250


def test_a_name_beside_files_is_refused(tmp_path: Path) -> None:
    """The server would ignore one of the two, whatever their order."""
    make(tmp_path, "a.gguf")
    for text in ("FROM m\nFROM a.gguf", "FROM a.gguf\nFROM m"):
        with pytest.raises(RequestError, match=r"line 2: .*not both"):
            Modelfile.parse(text, folder=tmp_path)


def test_two_files_of_one_name_are_refused(tmp_path: Path) -> None:
    """No file takes the place of another unseen."""
    make(tmp_path, "a/x.gguf", "b/x.gguf")
    with pytest.raises(RequestError, match=r"line 2: .*'x.gguf' is there twice"):
        Modelfile.parse("FROM a/x.gguf\nFROM b/x.gguf", folder=tmp_path)


def test_a_folder_without_weights_is_refused(tmp_path: Path) -> None:
    """A folder that holds no model is no model."""
    with pytest.raises(RequestError, match="a folder with weights"):
        Modelfile.parse("FROM .", folder=tmp_path)


# The value.


def test_the_value_is_frozen_and_travels() -> None:
    """A Modelfile cannot be changed by assignment, equals its copy, and what it gives away is not its own."""
    said = Modelfile.parse("FROM m\nPARAMETER stop a\nMESSAGE user hi\nLICENSE x")
    with pytest.raises(AttributeError):
        said.from_ = "other"  # type: ignore[misc]  # the point
    arguments = said.to_create_arguments()
    arguments["parameters"]["stop"].append("b")
    arguments["messages"][0]["role"] = "b"
    arguments["license"].append("b")
    assert said == pickle.loads(pickle.dumps(said))
    assert said.to_create_arguments() == {
        "from_": "m",
        "license": ["x"],
        "parameters": {"stop": ["a"]},
        "messages": [{"role": "user", "content": "hi"}],
    }


_TEXT = st.text(st.characters(exclude_categories=("Cs",))).filter(
    # What three quotes cannot hold: themselves at the end of a line, nor a quote right before the closing ones.
    lambda text: '"""' not in f'{text}"'
)
_ROWS = st.lists(
    st.one_of(
        st.tuples(st.sampled_from(["TEMPLATE", "SYSTEM", "LICENSE", "RENDERER"]), _TEXT),
        st.tuples(st.sampled_from(["MESSAGE user", "MESSAGE assistant", "PARAMETER stop"]), _TEXT),
    )
)


@given(_ROWS)
def test_what_was_printed_is_read_back(rows: list[tuple[str, str]]) -> None:
    """Any text in three quotes is read back as it is, whatever lines follow it."""
    printed = "".join(f'{command} """{text}"""\n# and so on\n' for command, text in rows)
    said = Modelfile.parse(f"FROM m\n{printed}")
    last = dict(rows)
    assert (said.template, said.system) == (last.get("TEMPLATE"), last.get("SYSTEM"))
    assert list(said.license) == [text for command, text in rows if command == "LICENSE"]
    assert [(f"MESSAGE {m['role']}", m["content"]) for m in said.messages] == [
        row for row in rows if row[0].startswith("MESSAGE")
    ]
    stops = [text for command, text in rows if command == "PARAMETER stop"]
    assert said.parameters.get("stop", []) == stops


@given(st.text())
def test_any_text_is_read_or_refused(text: str) -> None:
    """Whatever the text, the answer is a Modelfile or an error that says why not."""
    try:
        said = Modelfile.parse(text, folder="/nonexistent").from_
    except RequestError as error:
        said = str(error)
    assert said
