"""Answers from a file of JSON lines."""

from __future__ import annotations

from pathlib import Path

import pytest

from ollama_sync import Client, ResponseError, UsageError
from ollama_sync.testing import MockOllama, answers_from

HI = [{"role": "user", "content": "hi"}]

LINES = """\
"Hello there"

{"tokens": ["a", "b"], "thinking": ["hm"], "done_reason": "length"}
{"tool_calls": [{"name": "now", "arguments": {"zone": "UTC"}}, {"name": "later"}]}
{"text": "one two", "error": "out of memory"}
{"status": 404, "error": "model not found"}
"""


def file_of(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "answers.jsonl"
    path.write_text(text, encoding="utf-8")
    return path


def test_each_request_gets_the_next_line(tmp_path: Path) -> None:
    """Lines are said in order, to chats and generates alike, and from the first again after the last."""
    handler = answers_from(file_of(tmp_path, LINES))
    with MockOllama() as server, Client(server.url) as client:
        server.on("POST", "/api/chat", handler)
        server.on("POST", "/api/generate", handler)
        parts = [part.response for part in client.generate("m", "hi", stream=True)]
        assert parts == ["Hello", " there", ""]
        second = client.chat("m", HI)
        assert second.message.content == "ab"
        assert (second.message.thinking, second.done_reason) == ("hm", "length")
        calls = client.chat("m", HI).message.tool_calls or []
        assert [(one.function.name, one.function.arguments) for one in calls] == [
            ("now", {"zone": "UTC"}),
            ("later", {}),
        ]
        with pytest.raises(ResponseError, match="out of memory"):
            client.generate("m", "hi", stream=True).result()
        with pytest.raises(ResponseError) as caught:
            client.generate("m", "hi")
        assert caught.value.status_code == 404
        assert client.chat("m", HI).message.content == "Hello there"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        pytest.param('"ok"\n{', "line 2: this is not JSON", id="half a line"),
        pytest.param("7", "line 1: a text or an object is expected", id="a number"),
        pytest.param('{"token": []}', "did you mean 'tokens'?", id="a near name"),
        pytest.param('{"xyz": 1}', "there are delay, done_reason", id="an unknown name"),
        pytest.param('{"tool_calls": [{}]}', "this is no answer", id="a call without a name"),
        pytest.param('{"text": 5}', "this is no answer", id="a text that is none"),
        pytest.param('{"status": "x"}', "this is no answer", id="a status that is none"),
        pytest.param("\n\n", "there is no answer in it", id="empty"),
    ],
)
def test_what_is_wrong_is_said_with_its_line(tmp_path: Path, text: str, said: str) -> None:
    """A file that cannot be used is refused before the server says anything, with the place and what is expected."""
    with pytest.raises(UsageError, match=said.replace("?", r"\?")):
        answers_from(file_of(tmp_path, text))
