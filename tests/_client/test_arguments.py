"""Tests of the arguments: what is accepted and how it is sent, and what is refused before anything is.

The right forms are pure. The wrong ones are given to a client of a mock server, which is to see no request.
"""

from __future__ import annotations

import base64
import io
import json
import math
import re
from collections import deque
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from types import MappingProxyType
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ollama_sync import Client, Image, Message, Options, RequestError, Tool
from ollama_sync._client import arguments
from ollama_sync.testing import MockOllama, reply

HI = {"role": "user", "content": "hi"}
HELLO = base64.b64encode(b"hello").decode()


class Model:
    """What the official package's objects and other pydantic models look like from here."""

    def __init__(self, **fields: Any) -> None:
        self.fields = fields

    def model_dump(self, *, exclude_none: bool, by_alias: bool) -> dict[str, Any]:
        """Return the fields; their true names only by alias."""
        assert by_alias
        return {k: v for k, v in self.fields.items() if v is not None or not exclude_none}


def now() -> str:
    """Stand for a function that is given where a dict is expected."""
    return "now"


# --- the right forms


@pytest.mark.parametrize("name", ["llama3.2", "hf.co/org/model:Q4", "ключ", " padded "])
def test_a_model_name_passes_as_it_is(name: str) -> None:
    """Only the server can judge a name."""
    assert arguments.model_name(name) == name


@pytest.mark.parametrize("value", [None, "", "hi", "a\0b\n"])
def test_a_text_passes_as_it_is(value: str | None) -> None:
    """Empty texts stay texts, and None stays None."""
    assert arguments.text("prompt", value) == value


@pytest.mark.parametrize("value", [None, True, False])
def test_a_flag_is_true_false_or_none(value: bool | None) -> None:
    """A flag that is not given is left to the server."""
    assert arguments.flag("raw", value) is value


@pytest.mark.parametrize("value", [None, 0, -1, 20, 2**70])
def test_a_whole_number_passes(value: int | None) -> None:
    """Its range is the server's business."""
    assert arguments.whole("top_logprobs", value) == value


@pytest.mark.parametrize("value", [None, True, False, "high", "max", "a level of next year"])
def test_think_is_a_truth_value_or_any_level(value: bool | str | None) -> None:
    """The levels are the model's own."""
    assert arguments.think(value) is value


@pytest.mark.parametrize("value", [None, 0, -1, 1.5, 300, "5m", "-1m", "soon", "inf", "nan"])
def test_keep_alive_is_seconds_or_a_duration(value: float | str | None) -> None:
    """Numbers stay numbers: the server reads them as seconds, and a str as a duration."""
    assert arguments.keep_alive(value) is value


@pytest.mark.parametrize(("value", "seconds"), [("-1", -1), ("300", 300), ("1.5", 1.5)])
def test_a_keep_alive_that_is_a_number_in_a_text_is_seconds(value: str, seconds: float) -> None:
    """As an environment or a form has it; the server would refuse a text without a unit."""
    assert arguments.keep_alive(value) == seconds


@pytest.mark.parametrize(
    ("value", "sent"),
    [
        (None, None),
        ("", ""),
        ("json", "json"),
        ({"type": "object"}, {"type": "object"}),
        (MappingProxyType({"type": "integer"}), {"type": "integer"}),
        ({}, {}),
    ],
)
def test_a_format_is_json_or_a_schema(value: object, sent: object) -> None:
    """A schema is any mapping; an empty format is sent, as by the official client."""
    assert arguments.reply_format(value) == sent


@pytest.mark.parametrize(
    ("value", "sent"),
    [(None, None), ([], []), ([1, 2], [1, 2]), ((3, 4), [3, 4]), (range(2), [0, 1])],
)
def test_a_context_is_a_sequence_of_tokens(value: object, sent: object) -> None:
    """What an earlier reply gave goes back as a list."""
    assert arguments.context(value) == sent


@pytest.mark.parametrize(
    "value",
    [
        [HI],
        (HI,),
        deque([HI]),
        [MappingProxyType(HI)],
        [Message(**HI)],
        [Model(**HI, thinking=None)],
    ],
    ids=["list", "tuple", "deque", "mapping", "view", "model"],
)
def test_messages_are_a_sequence_of_dicts_views_or_models(value: object) -> None:
    """Every form of one message gives the same JSON."""
    assert arguments.messages(value) == [HI]


def test_no_messages_are_an_empty_list() -> None:
    """The official client sends one too: it loads the model."""
    assert arguments.messages(None) == arguments.messages([]) == []


def test_fields_of_a_message_that_are_none_are_left_out_and_empty_ones_kept() -> None:
    """An empty content is a content: the server may be told that the user said nothing."""
    message = {"role": "user", "content": "", "thinking": None, "tool_calls": [], "tool_name": ""}
    sent = {"role": "user", "content": "", "tool_calls": [], "tool_name": ""}
    assert arguments.messages([message]) == [sent]


def test_fields_of_a_message_that_are_not_known_pass() -> None:
    """The server may be newer; ids of tool calls are kept."""
    call = {"id": "call_1", "function": {"index": 0, "name": "f", "arguments": {"a": [1]}}}
    message = {"role": "assistant", "content": "", "tool_calls": [call], "brand_new": 1}
    assert arguments.messages([message]) == [message]
    assert arguments.messages([Message.view(message)]) == [message]


def test_tool_calls_of_a_reply_can_be_put_into_a_message() -> None:
    """A list of views, as a reply holds it, goes back as JSON."""
    call = {"id": "1", "function": {"name": "f", "arguments": {}}}
    reply = Message.view({"role": "assistant", "content": "", "tool_calls": [call]})
    sent = arguments.messages([{"role": "assistant", "tool_calls": reply.tool_calls}])
    assert json.loads(arguments.body(messages=sent)) == {
        "messages": [{"role": "assistant", "tool_calls": [call]}]
    }


def test_the_callers_own_objects_are_not_changed() -> None:
    """Encoding an image for the wire leaves the caller's message with its image."""
    message = {"role": "user", "content": None, "images": [b"hello"]}
    view = Message.view(dict(message))
    arguments.messages([message, view])
    assert message == view == {"role": "user", "content": None, "images": [b"hello"]}


@pytest.mark.parametrize(
    "image",
    [
        b"hello",
        bytearray(b"hello"),
        memoryview(b"hello"),
        memoryview(b"h.e.l.l.o")[::2],
        Image(b"hello"),
        Image(value=HELLO),
        HELLO,
    ],
    ids=[
        "bytes",
        "bytearray",
        "memoryview",
        "memoryview with gaps",
        "Image",
        "Image of str",
        "str",
    ],
)
def test_an_image_is_sent_in_base64(image: object) -> None:
    """Every form of one image gives the same text, of generate and in a message."""
    assert arguments.images("images", [image]) == [HELLO]
    assert arguments.messages([{"role": "user", "images": (image,)}])[0]["images"] == [HELLO]


def test_an_image_given_as_a_path_is_read(tmp_path: Path) -> None:
    """A Path is a file, whatever it is called."""
    path = tmp_path / "aGVsbG8="
    path.write_bytes(b"hello")
    assert arguments.images("images", [path, Image(path)]) == [HELLO, HELLO]


@pytest.mark.parametrize("text", ["aGVs\nbG8=", "aGVs\r\nbG8=\r\n", "aGVsbG8=\n", ""])
def test_base64_with_line_ends_passes_as_it_is(text: str) -> None:
    """The server's decoder skips line ends, which `base64.encodebytes` makes."""
    assert arguments.images("images", [text]) == [text]


@given(st.binary())
def test_what_is_sent_of_an_image_decodes_to_it(data: bytes) -> None:
    """Any bytes survive."""
    (sent,) = arguments.images("images", [data]) or []
    assert base64.b64decode(sent, validate=True) == data


def test_no_images_are_none() -> None:
    """What is not given is not sent."""
    assert arguments.images("images", None) is None
    assert arguments.images("images", []) == []


@pytest.mark.parametrize(
    ("value", "sent"),
    [
        (None, None),
        ({}, {}),
        ({"temperature": 0, "num_ctx": 2048.0}, {"temperature": 0, "num_ctx": 2048.0}),
        ({"stop": ("a", "b"), "use_mmap": False}, {"stop": ["a", "b"], "use_mmap": False}),
        ({"seed": None, "brand_new": "x"}, {"brand_new": "x"}),
        ({"mirostat": "any type: the server ignores it"},) * 2,
        (Options(seed=1, min_p=0.5), {"seed": 1, "min_p": 0.5}),
        (MappingProxyType({"top_k": 3}), {"top_k": 3}),
        (Model(top_p=0.5, seed=None), {"top_p": 0.5}),
    ],
)
def test_options_are_a_mapping_view_or_model(value: object, sent: object) -> None:
    """Options that are None are left out; those that are not known pass."""
    assert arguments.options(value) == sent


@pytest.mark.parametrize(
    "tool",
    [
        {"type": "function", "function": {"name": "now"}},
        {"function": {"name": "now"}},
        Tool(function=Tool.Function(name="now")),
        Model(type="function", function={"name": "now"}),
    ],
    ids=["dict", "dict without type", "view", "model"],
)
def test_tools_are_dicts_views_or_models(tool: object) -> None:
    """Every form of one tool gives the same JSON."""
    assert arguments.tools([tool]) == [{"type": "function", "function": {"name": "now"}}]


def test_no_tools_are_an_empty_list() -> None:
    """As the official client sends it."""
    assert arguments.tools(None) == arguments.tools(()) == []


def test_a_body_has_the_fields_that_are_not_none() -> None:
    """Only None is left out: false, 0 and empty values are values."""
    body = arguments.body(a=None, b=False, c=0, d="", e=[], f={})
    assert json.loads(body) == {"b": False, "c": 0, "d": "", "e": [], "f": {}}


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=["Cs"])),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(max_size=5).filter(str.isascii), inner),
    max_leaves=20,
)


@given(JSON.filter(lambda value: value is not None))
def test_a_body_is_what_was_given(value: object) -> None:
    """Any JSON value arrives as it is, also by the decoder of the standard library."""
    assert json.loads(arguments.body(value=value)) == {"value": value}


# --- the wrong forms

Case = tuple[str, Any, str]

CHAT: list[Case] = [
    # argument, wrong value, how the message goes on behind `argument=value: `
    *(("model", v, "the name of a model") for v in ("", "  ", None, 5, b"m", ["m"])),
    *(("messages", v, "a list of messages") for v in ("hi", b"hi", HI, 5, Message(**HI))),
    *(("tools", v, "a list of tools") for v in ("now", {"function": {}}, 5, now, b"x")),
    *(("stream", v, "True or False") for v in (None, 0, 1, "yes")),
    *(("think", v, "True, False, or a level") for v in (0, 1.5, ["high"], b"high")),
    *(("logprobs", v, "True or False, or None") for v in (0, 1, "true")),
    *(("top_logprobs", v, "a whole number") for v in ("3", 2.0, True, [1])),
    *(
        ("format", v, "'json', a JSON schema as a dict, or a type")
        for v in ("xml", 5, ["json"], True, b"")
    ),
    *(("options", v, "a dict or Options") for v in ([], "seed=1", 5, Options)),
    *(("keep_alive", v, "seconds, or a duration") for v in (True, ["5m"], b"5m", timedelta(1))),
    *(("truncate", v, "True or False, or None") for v in (0, "no")),
    *(("shift", v, "True or False, or None") for v in (1, "no")),
]
GENERATE: list[Case] = [
    *((n, v, c) for n, v, c in CHAT if n not in ("messages", "tools")),
    *(
        (name, v, "a str, or None")
        for name in ("prompt", "suffix", "system", "template")
        for v in (5, b"hi", ["hi"], HI)
    ),
    *(("context", v, "the `context` of an earlier reply") for v in ("1", 5, [1.5], [True], ["1"])),
    *(("raw", v, "True or False, or None") for v in (0, "yes")),
    *(("images", v, "a list of images") for v in (HELLO, b"x", bytearray(b"x"), 5, Path("x"))),
    *(
        (name, v, "a whole number")
        for name in ("width", "height", "steps")
        for v in ("1", 1.5, True)
    ),
]


def _ids(cases: list[Case]) -> list[str]:
    # Without addresses, which are others in each process.
    shown = [re.sub(" at 0x[0-9a-f]+", "", repr(value)) for _, value, _ in cases]
    return [f"{case[0]}-{text:.30}" for case, text in zip(cases, shown, strict=True)]


def _refused(server: MockOllama, call: Callable[[], object]) -> str:
    """Return the message of the one error that `call` raises before it sends anything."""
    with pytest.raises(RequestError) as raised:
        call()
    assert server.requests == ()
    assert raised.value.error == str(raised.value)
    return raised.value.error


@pytest.mark.parametrize(("name", "value", "accepted"), CHAT, ids=_ids(CHAT))
def test_chat_refuses_a_wrong_form(
    server: MockOllama, client: Client, name: str, value: Any, accepted: str
) -> None:
    """One error says which argument, what was given, and what is accepted; nothing is sent."""
    error = _refused(server, lambda: client.chat(**{"model": "m", name: value}))
    assert error.startswith(f"{name}={value!r:.77}")
    assert f": {accepted}" in error


@pytest.mark.parametrize(("name", "value", "accepted"), GENERATE, ids=_ids(GENERATE))
def test_generate_refuses_a_wrong_form(
    server: MockOllama, client: Client, name: str, value: Any, accepted: str
) -> None:
    """As chat."""
    error = _refused(server, lambda: client.generate(**{"model": "m", name: value}))
    assert error.startswith(f"{name}={value!r:.77}")
    assert f": {accepted}" in error


@pytest.mark.parametrize(
    ("message", "error"),
    [
        ("hi", "messages[1]='hi': a dict or a Message"),
        (None, "messages[1]=None: a dict or a Message"),
        ([("role", "user")], "messages[1]=[('role', 'user')]: a dict or a Message"),
        ({"content": "hi"}, "messages[1]: 'role' is needed, a str: 'system', 'user'"),
        ({"role": None}, "messages[1]: 'role' is needed"),
        ({"role": 5}, "messages[1]: 'role' is needed"),
        (Model(content="hi"), "messages[1]: 'role' is needed"),
        ({"role": "user", "content": 5}, "messages[1]: content=5: a str"),
        (
            {"role": "user", "content": [{"text": "hi"}]},
            "messages[1]: content=[{'text': 'hi'}]: a str",
        ),
        ({"role": "user", "images": HELLO}, f"messages[1]: images='{HELLO}': a list of images"),
        ({"role": "user", "images": [b"x", 5]}, "messages[1]: images[1]=5: a Path, bytes"),
    ],
)
def test_a_wrong_message_is_named_by_its_number(
    server: MockOllama, client: Client, message: Any, error: str
) -> None:
    """In a long conversation one must know which message it is."""
    assert _refused(server, lambda: client.chat("m", [HI, message])).startswith(error)


@pytest.mark.parametrize("tool", ["now", None, [], 5], ids=repr)
def test_a_wrong_tool_is_named_by_its_number(server: MockOllama, client: Client, tool: Any) -> None:
    """As with messages."""
    error = _refused(server, lambda: client.chat("m", [HI], tools=[{}, tool]))
    assert error == f"tools[1]={tool!r}: a function, a dict or a Tool"


@pytest.mark.parametrize(
    "image",
    [
        "%%%",
        "aGk",
        "aGk=x",
        "é",
        "\ud800",
        "data:image/png;base64,%%",
        "data:image/png,aGk=",
        "no/such/file.png",
        "aGk= ",
    ],
)
def test_a_str_that_is_no_base64_is_refused(server: MockOllama, client: Client, image: str) -> None:
    """The message says how to name a file."""
    error = _refused(server, lambda: client.generate("m", "hi", images=[HELLO, image]))
    shown = image.rpartition("base64,")[2]
    assert error.startswith(f"images[1]={shown!r}: a str must be base64; wrap the name of a file")


def test_a_data_url_is_its_data(server: MockOllama, client: Client) -> None:
    """A browser writes a file into a text in this way."""
    client.generate("m", "hi", images=["data:image/png;base64,aGk="])
    assert server.requests[-1].json["images"] == ["aGk="]


def test_a_name_that_is_nearly_known_is_warned_of(client: Client) -> None:
    """Of options and of members of a message; the warning points at the caller, and a name that is near to none passes."""
    with pytest.warns(UserWarning, match="did you mean 'temperature'") as caught:
        client.chat("m", [HI], options={"temprature": 1})
    assert caught[0].filename == __file__
    with pytest.warns(UserWarning, match=r"messages\[0\]: 'contnet' is not known"):
        client.chat("m", [{"role": "user", "contnet": "x"}])
    client.chat("m", [{"role": "user", "content": "x", "brand_new": 1}], options={"brand_new": 1})


@pytest.mark.parametrize("name", ["abcd", "deep/abcd", "a.png"])
def test_a_str_that_names_a_file_is_refused(
    server: MockOllama,
    client: Client,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    name: str,
) -> None:
    """Also when it would be base64: it was meant as a file, and a text from outside may not name one."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "deep").mkdir()
    (tmp_path / name).write_bytes(b"hello")
    error = _refused(server, lambda: client.generate("m", "hi", images=[name]))
    assert (
        error
        == f"images[0]='{name}': a str must be base64; wrap the name of a file in pathlib.Path"
    )


@pytest.mark.parametrize("name", ["missing", ".", "a\0b"])
def test_a_path_that_cannot_be_read_is_refused(
    server: MockOllama, client: Client, tmp_path: Path, name: str
) -> None:
    """The message has the path and the reason."""
    path = tmp_path / name
    error = _refused(server, lambda: client.generate("m", "hi", images=[path]))
    assert error.startswith(f"images[0]: {str(path)!r} cannot be read: ")


@pytest.mark.parametrize("image", [5, None, 1.5, ["aGk="], {"value": "aGk="}, Image(5)], ids=repr)  # type: ignore[arg-type]  # wrong on purpose
def test_what_is_no_image_is_refused(server: MockOllama, client: Client, image: Any) -> None:
    """One of a list is named by its number."""
    error = _refused(server, lambda: client.generate("m", "hi", images=[image]))
    assert error.startswith("images[0]=")
    assert error.endswith(
        ": a Path, bytes, a binary file, a PIL image, or a str in base64 or a data: URL"
    )


# Names of options that the server has forgotten: it ignores them, whatever their value.
FORGOTTEN = {
    *("numa", "low_vram", "f16_kv", "logits_all", "vocab_only", "use_mlock", "embedding_only"),
    *("tfs_z", "mirostat", "mirostat_tau", "mirostat_eta", "penalize_newline"),
}
NUMBERS = sorted({*Options.__annotations__} - FORGOTTEN - {"use_mmap", "stop"})


@pytest.mark.parametrize("name", NUMBERS)
def test_an_option_that_is_a_number_refuses_other_types(name: str) -> None:
    """The server would answer with a 500; texts of a form are not turned into numbers."""
    for value in ("5", True, [5]):
        with pytest.raises(RequestError, match=r": a number$") as raised:
            arguments.options({"brand_new": "x", name: value})
        assert str(raised.value).startswith(f"options[{name!r}]={value!r}")
    assert arguments.options({name: 5}) == {name: 5}
    assert arguments.options({name: 0.5}) == {name: 0.5}


@pytest.mark.parametrize(
    ("name", "value", "accepted"),
    [
        ("use_mmap", 1, "True or False"),
        ("use_mmap", "yes", "True or False"),
        ("stop", "x", "a list of str"),
        ("stop", [1], "a list of str"),
        ("stop", {"x": 1}, "a list of str"),
        (5, 1, "the name of an option is a str"),
    ],
)
def test_an_option_of_another_type_is_refused(
    server: MockOllama, client: Client, name: Any, value: Any, accepted: str
) -> None:
    """A bare stop text is refused by the server as well."""
    error = _refused(server, lambda: client.chat("m", [HI], options={name: value}))
    assert error == f"options[{name!r}]={value!r}: {accepted}"


def test_options_that_the_server_has_forgotten_pass() -> None:
    """They change nothing, so no old program is broken over them."""
    old = dict.fromkeys(FORGOTTEN, "any")
    assert arguments.options(old) == old


NO_JSON = {
    "nan": math.nan,
    "infinity": math.inf,
    "set": {1},
    "bytes": b"x",
    "object": object(),
    "deep inside": [[{"a": math.nan}]],
}


@pytest.mark.parametrize("value", NO_JSON.values(), ids=NO_JSON)
@pytest.mark.parametrize(
    ("name", "wrap"),
    [
        ("messages", lambda v: [HI, {"role": "user", "extra": v}]),
        ("tools", lambda v: [{"function": {"name": v}}]),
        ("format", lambda v: {"type": v}),
        ("options", lambda v: {"brand_new": v}),
    ],
    ids=["messages", "tools", "format", "options"],
)
def test_what_has_no_json_form_is_refused(
    server: MockOllama, client: Client, name: str, wrap: Callable[[Any], Any], value: Any
) -> None:
    """However deep it lies, the message names the argument, and the cause is kept."""
    with pytest.raises(RequestError) as raised:
        client.chat("m", **{name: wrap(value)})
    assert str(raised.value).startswith(f"{name}=, or something in it, has no JSON form: ")
    assert raised.value.__cause__ is not None
    assert server.requests == ()


@pytest.mark.parametrize(
    "name", ["model", "prompt", "suffix", "system", "template", "think", "keep_alive"]
)
def test_half_a_character_is_sent_as_no_character(
    server: MockOllama, client: Client, name: str
) -> None:
    """A model may have said it, and what it said can be sent back; UTF-8 has no form for it but U+FFFD."""
    server.on("POST", "/api/generate", [reply({"response": "", "done": True})])
    arguments: dict[str, Any] = {"model": "m", name: "a\ud800b"}
    client.generate(**arguments)
    assert server.requests[-1].json[name] == "a\ufffdb"


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_keep_alive_is_finite(server: MockOllama, client: Client, value: float) -> None:
    """JSON has no infinity; for ever is -1."""
    error = _refused(server, lambda: client.chat("m", [HI], keep_alive=value))
    assert error.startswith("keep_alive=, or something in it, has no JSON form: ")


def test_what_holds_itself_is_refused(server: MockOllama, client: Client) -> None:
    """No recursion error comes out, and the message does not go on for ever."""
    loop: dict[str, Any] = dict(HI)
    loop["self"] = loop
    cycle: list[Any] = []
    cycle.append(cycle)
    wrong: dict[str, Any] = {"messages": [loop], "tools": [loop], "options": loop, "format": loop}
    for name, value in wrong.items():
        error = _refused(server, lambda n=name, v=value: client.chat(**{"model": "m", n: v}))  # type: ignore[misc]  # bound now
        assert error.startswith(name)
        assert "holds itself" in error
    assert "context" in _refused(server, lambda: client.generate("m", context=cycle))


def test_a_long_value_is_shown_cut(server: MockOllama, client: Client) -> None:
    """A message of megabytes helps nobody."""
    error = _refused(server, lambda: client.chat("m", "x" * 100_000))  # type: ignore[arg-type]  # wrong on purpose
    assert len(error) < 250
    assert "xxx..." in error


def test_files_and_pictures_are_images(tmp_path: Path) -> None:
    """A binary file is read, a PIL image encoded in its own format or as PNG."""
    image = pytest.importorskip("PIL.Image")
    picture = image.new("RGB", (2, 2), "red")
    (sent,) = arguments.images("images", [picture]) or []
    assert base64.b64decode(sent).startswith(b"\x89PNG")
    path = tmp_path / "red.jpeg"
    picture.save(path)
    with path.open("rb") as file:
        assert arguments.images("images", [file]) == arguments.images("images", [path])
    (sent,) = arguments.images("images", [image.open(path)]) or []
    assert base64.b64decode(sent).startswith(b"\xff\xd8")


def test_a_text_file_is_no_image(tmp_path: Path) -> None:
    """What a file opened as text gives is not the picture's bytes."""
    with io.StringIO("x") as file, pytest.raises(RequestError, match="binary mode"):
        arguments.images("images", [file])
