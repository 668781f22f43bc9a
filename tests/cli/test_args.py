"""The words of the command line."""

from __future__ import annotations

import pytest

from ollama_sync import __version__
from ollama_sync.cli import main
from ollama_sync.cli._args import parse


def test_a_mock_has_defaults() -> None:
    """Without options a mock takes a free port, and leaves the rest to the kind of answer that it gives."""
    args = parse(["mock"])
    assert (args.command, args.port, args.chunks, args.delay) == ("mock", 0, None, None)
    assert (args.fail, args.slow, args.fake_stream, args.model) == (0.0, False, False, None)


def test_every_option_is_read() -> None:
    """Each option arrives under its name, in its type."""
    args = parse(["mock", "--port", "65535", "--chunks", "0", "--delay", "1e-3"])
    assert (args.port, args.chunks, args.delay) == (65535, 0, 0.001)
    args = parse(["chat", "m", "why", "--host", "h:1"])
    assert (args.model, args.prompt, args.host, args.as_json) == ("m", ["why"], "h:1", False)
    args = parse(["generate", "m", "-", "--system", "s", "--keep-alive", "5m", "--think", "true"])
    assert (args.prompt, args.system, args.keep_alive, args.think) == (["-"], "s", "5m", True)
    args = parse(["embed", "m", "a", "b", "--dimensions", "4", "--json"])
    assert (args.texts, args.dimensions, args.as_json) == (["a", "b"], 4, True)
    args = parse(["show", "m", "--template", "--verbose"])
    assert (args.only, args.verbose) == ("template", True)
    args = parse(["pull", "m", "--insecure"])
    assert args.insecure
    args = parse(["create", "m", "-f", "x/Modelfile", "-q", "q4_K_M"])
    assert (args.file, args.quantize) == ("x/Modelfile", "q4_K_M")
    args = parse(["demo", "--model", "m"])
    assert (args.model, args.host) == ("m", None)


def test_options_of_the_model_add_up() -> None:
    """Each --option is a name and a value, which is JSON where it can be read as such."""
    words = ["chat", "m", "--option", "top_k=3", "--option", 'stop=["a"]', "--option", "x=y=z"]
    assert parse(words).options == [("top_k", 3), ("stop", ["a"]), ("x", "y=z")]


@pytest.mark.parametrize(
    ("text", "value"), [("5m", "5m"), ("-1", -1.0), ("300", 300.0), ("0", 0.0)]
)
def test_a_number_keeps_a_model_alive_for_seconds(text: str, value: object) -> None:
    """A time without a unit is seconds, as in the API; one with a unit is the server's to read."""
    assert parse(["chat", "m", f"--keep-alive={text}"]).keep_alive == value


@pytest.mark.parametrize(
    ("text", "value"), [("true", True), ("false", False), ("high", "high"), ("no", "no")]
)
def test_a_level_of_thinking_is_a_truth_or_a_word(text: str, value: object) -> None:
    """True and false arrive as such, other levels as their names."""
    assert parse(["chat", "m", "--think", text]).think == value


def test_a_format_is_json_or_a_schema() -> None:
    """The word json stays, and a schema arrives decoded."""
    assert parse(["chat", "m", "--format", "json"]).format == "json"
    assert parse(["chat", "m", "--format", '{"type": "object"}']).format == {"type": "object"}


@pytest.mark.parametrize(
    "words",
    [
        [],
        ["sing"],
        ["chat", "m", "why", "--option", "temperature"],
        ["chat", "m", "why", "--format", "yaml"],
        ["chat", "m", "why", "--format", "[1]"],
        ["embed", "m", "a", "--dimensions", "-4"],
        ["show"],
        ["show", "m", "--license", "--system"],
        ["copy", "m"],
        ["delete"],
        ["pull"],
        ["push", "m", "--json=yes"],
        ["create"],
        ["mock", "--port", "65536"],
        ["mock", "--port", "-1"],
        ["mock", "--chunks", "1.5"],
        ["mock", "--fail", "1.5"],
        ["mock", "--fail", "often"],
        ["mock", "--delay", "-1"],
        ["mock", "--delay", "nan"],
        ["mock", "--delay", "inf"],
        ["mock", "--delay", "soon"],
    ],
)
def test_wrong_arguments_are_code_2(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    """What cannot be meant exits with 2, and stderr says what is wrong; nothing is run."""
    assert main(words) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert "error:" in captured.err


def test_version_and_help_are_code_0(capsys: pytest.CaptureFixture[str]) -> None:
    """Asking for the version or the help is no error, and is answered on stdout."""
    assert main(["--version"]) == 0
    assert capsys.readouterr().out == f"ollama-sync {__version__}\n"
    assert main(["--help"]) == 0
    commands = "list ps show pull push create copy delete generate chat embed version demo mock"
    assert set(commands.split()) <= set(capsys.readouterr().out.split())


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["lst"], "no such command: lst; did you mean list?"),
        (["chat", "m", "hi", "--formt", "json"], "did you mean --format?"),
        (["--hots", "x", "list"], "did you mean --host?"),
        (["list", "--host", "a", "--host", "b"], "--host was given more than once"),
        (["sing\x1b[2J"], r"no such command: sing\u001b[2J"),
    ],
)
def test_a_mistyped_word_is_told_the_nearest(
    words: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """The error names the word and what it is nearest to; what would move the cursor is visible in it."""
    assert main(words) == 2
    assert said in capsys.readouterr().err


def test_options_of_every_command_may_stand_before_it() -> None:
    """--host and --json mean the same before the command and behind it; the last --host is not lost on the way."""
    for words in (["--host", "h", "--json", "list"], ["list", "--json", "--host=h"]):
        args = parse(words)
        assert (args.command, args.host, args.as_json) == ("list", "h", True)


@pytest.mark.parametrize("words", [["--keep-alive", "-5m"], ["--keep-alive=-5m"]])
def test_a_value_may_begin_with_a_dash(words: list[str]) -> None:
    """An option takes the word behind it, whatever that begins with; behind -- all words are texts."""
    args = parse(["chat", "m", *words, "--", "-what?"])
    assert (args.keep_alive, args.prompt) == ("-5m", ["-what?"])


def test_options_may_stand_between_the_words() -> None:
    """What is asked may come before or behind an option, also where it could have been left out."""
    for words in (["m", "hi", "--system", "s"], ["m", "--system", "s", "hi"]):
        args = parse(["chat", *words])
        assert (args.model, args.prompt, args.system) == ("m", ["hi"], "s")


@pytest.mark.parametrize(
    ("alias", "name"), [("run", "chat"), ("rm", "delete"), ("cp", "copy"), ("ls", "list")]
)
def test_aliases_mean_their_command(alias: str, name: str) -> None:
    """What people know from Ollama's own command line is understood."""
    assert parse([alias, "a", "b"] if alias != "ls" else [alias]).command == name
