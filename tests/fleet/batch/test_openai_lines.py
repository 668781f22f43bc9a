"""Lines of OpenAI's batch format become calls of ours, and are answered in kind."""

from __future__ import annotations

from typing import Any

import pytest

from ollama_sync.errors import RequestError, ResponseError, StreamBroken
from ollama_sync.fleet.batch.openai_lines import answer, failure, parameters


def line(url: str = "/v1/chat/completions", **body: Any) -> dict[str, Any]:
    return {"custom_id": "a", "method": "POST", "url": url, "body": {"model": "m", **body}}


MESSAGES = [{"role": "user", "content": "hi"}]


def test_a_chat_completion_is_a_chat() -> None:
    """What says the same goes along, what is an option of the model becomes one, and what changes nothing is left out."""
    found = parameters(
        line(
            messages=MESSAGES,
            temperature=0,
            max_tokens=5,
            stop="x",
            seed=1,
            n=1,
            user="u",
            top_p=None,
        ),
        "chat",
    )
    options = {"temperature": 0, "num_predict": 5, "stop": ["x"], "seed": 1}
    assert found == {"model": "m", "messages": MESSAGES, "options": options}


def test_parts_of_a_message_are_joined() -> None:
    """Texts become one text, images their data; nothing is fetched from elsewhere."""
    parts = [
        {"type": "text", "text": "What is"},
        {"type": "text", "text": "this?"},
        {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}},
    ]
    found = parameters(line(messages=[{"role": "user", "content": parts}]), "chat")
    assert found["messages"] == [{"role": "user", "content": "What is\nthis?", "images": ["AAAA"]}]
    parts[2]["image_url"] = {"url": "https://example.org/a.png"}
    with pytest.raises(RequestError, match="data: URL"):
        parameters(line(messages=[{"role": "user", "content": parts}]), "chat")


@pytest.mark.parametrize(
    ("given", "format_"),
    [
        ({"type": "text"}, None),
        ({"type": "json_object"}, "json"),
        (
            {"type": "json_schema", "json_schema": {"schema": {"type": "object"}}},
            {"type": "object"},
        ),
    ],
)
def test_a_response_format_is_a_format(given: Any, format_: Any) -> None:
    """Each of the three kinds has its counterpart."""
    assert parameters(line(messages=MESSAGES, response_format=given), "chat")["format"] == format_


@pytest.mark.parametrize(
    ("made", "verb", "text"),
    [
        (line("/v1/audio/speech"), "chat", "url '/v1/audio/speech'"),
        (line("/v1/embeddings", input="a"), "chat", "is for embed; this batch is for chat"),
        (line(messages=MESSAGES, n=2), "chat", "n=2"),
        (line(messages=MESSAGES, logit_bias={"1": 2}), "chat", "logit_bias"),
        (line(messages=MESSAGES, response_format="x"), "chat", "response_format='x'"),
        (line(messages=[{"role": "user", "content": [{"type": "audio"}]}]), "chat", "'audio'"),
        ({**line(), "body": 3}, "chat", "body 3"),
    ],
)
def test_what_ollama_does_not_have_is_refused(made: dict[str, Any], verb: str, text: str) -> None:
    """An answer that leaves something out would be taken for one that does not."""
    with pytest.raises(RequestError, match=text):
        parameters(made, verb)


def test_answers_have_their_shape() -> None:
    """Programs that read such files find the text, the reason and the numbers where they look for them."""
    numbers = {"prompt_eval_count": 3, "eval_count": 4, "model": "m"}
    message = {"role": "assistant", "content": "hey"}
    chat = answer("a", "chat", {"message": message, "done_reason": "length", **numbers})
    assert (chat["custom_id"], chat["error"], chat["response"]["status_code"]) == ("a", None, 200)
    body = chat["response"]["body"]
    assert body["choices"] == [{"index": 0, "message": message, "finish_reason": "length"}]
    assert body["usage"] == {"prompt_tokens": 3, "completion_tokens": 4, "total_tokens": 7}
    assert body["model"] == "m"
    text = answer("a", "generate", {"response": "hey", **numbers})["response"]["body"]
    assert text["choices"] == [{"index": 0, "text": "hey", "finish_reason": "stop"}]
    vectors = answer("a", "embed", {"embeddings": [[1.0], [2.0]]})["response"]["body"]
    assert [row["embedding"] for row in vectors["data"]] == [[1.0], [2.0]]
    called = answer("a", "chat", {"message": {**message, "tool_calls": [{}]}})
    assert called["response"]["body"]["choices"][0]["finish_reason"] == "tool_calls"


def test_failures_have_their_shape() -> None:
    """An error of the server has its status, any other its kind."""
    refused = failure("a", ResponseError("no such model", 404))
    assert refused["response"]["status_code"] == 404
    assert refused["response"]["body"]["error"]["message"] == "no such model"
    broken = failure("a", StreamBroken("cut"))
    assert (broken["response"], broken["error"]) == (
        None,
        {"code": "StreamBroken", "message": "cut"},
    )
