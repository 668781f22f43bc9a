"""What the mock's model answers: its text, its tool calls, its limits, and how it fails where it is told to."""

from __future__ import annotations

import pytest

import ollama_sync
from ollama_sync import Client, ResponseError
from ollama_sync.testing import SAMPLE_TEXT, MockOllama

HI = [{"role": "user", "content": "hi"}]


def tool(name: str, **properties: object) -> dict[str, object]:
    parameters = {"type": "object", "properties": properties}
    return {"type": "function", "function": {"name": name, "parameters": parameters}}


def test_a_text_is_said_word_by_word() -> None:
    """Each part has one word, and together they are the text but for the end of its last line."""
    with MockOllama(text=SAMPLE_TEXT, delay=0) as server, Client(server.url) as client:
        *parts, last = client.chat("llama3.2", HI, stream=True)
    said = [part.message.content for part in parts]
    assert "".join(said) == SAMPLE_TEXT.rstrip()
    assert said[:3] == ["Sunlight", " looks", " white,"]
    assert last.eval_count == len(said) == len(SAMPLE_TEXT.split())


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("text", [None, "one two three four"])
def test_the_limit_of_tokens_is_heeded(text: str | None, stream: bool) -> None:
    """`num_predict` ends the answer, and the reason says so; a limit that is not reached ends nothing."""
    with MockOllama(text=text, chunks=4, delay=0) as server, Client(server.url) as client:

        def ask(most: int) -> ollama_sync.GenerateResponse:
            options = {"num_predict": most}
            if stream:
                return client.generate("m", "hi", options=options, stream=True).result()
            return client.generate("m", "hi", options=options)

        short, whole, endless = ask(2), ask(4), ask(-1)
    assert (short.response, short.done_reason, short.eval_count) == (
        "AA" if text is None else "one two",
        "length",
        2,
    )
    assert (whole.done_reason, whole.eval_count) == ("stop", 4)
    assert (endless.done_reason, endless.eval_count) == ("stop", 4)


def test_a_tool_is_called_and_its_result_is_said() -> None:
    """With tools the first answer is a call of the one that the question names, and the second has what it returned."""

    def add_numbers(first: int, second: int) -> int:
        """Add."""
        return first + second + 41

    def get_weather(city: str) -> str:
        """Say the weather."""
        raise AssertionError(city)

    with MockOllama(text="Hi", delay=0) as server, Client(server.url) as client:
        asked = [{"role": "user", "content": "Add two numbers"}]
        run = client.run_tools("llama3.2", asked, tools=[get_weather, add_numbers])
        said = "".join(token for tokens in run for token in tokens)
    assert said == "add_numbers says: 41"
    assert len(server.requests) == 2


def test_without_a_name_in_the_question_the_first_tool_is_called() -> None:
    """A model that is given tools calls one of them, with arguments that fit."""
    tools = [tool("one", city={"type": "string"}, days={"type": "integer"}), tool("two")]
    with MockOllama(text="Hi", delay=0) as server, Client(server.url) as client:
        message = client.chat("llama3.2", HI, tools=tools, stream=True).result().message
    (call,) = message.tool_calls or []
    assert call.function.name == "one"
    assert call.function.arguments == {"city": "A", "days": 0}


def test_without_a_text_no_tool_is_called() -> None:
    """The fake stream of a test is the same whatever is asked."""
    with MockOllama(chunks=2, delay=0) as server, Client(server.url) as client:
        message = client.chat("llama3.2", HI, tools=[tool("one")]).message
    assert (message.content, message.tool_calls) == ("AA", None)


def test_a_format_goes_before_the_text() -> None:
    """Asked for JSON, a model with a text answers with a value that fits the schema."""
    schema = {"type": "object", "properties": {"age": {"type": "integer"}}}
    with MockOllama(text="Hi", delay=0) as server, Client(server.url) as client:
        assert client.generate("m", "hi", format=schema).response == '{"age": 0}'


def test_a_model_is_loaded_once() -> None:
    """`load` seconds pass before the first answer of a model that is not in memory, and its metrics say so."""
    with MockOllama(load=0.05, chunks=1, delay=0) as server, Client(server.url) as client:
        first = client.generate("m", "hi")
        second = client.generate("m", "hi")
    assert (first.load_duration or 0) >= 50_000_000 > (second.load_duration or 0)


def test_a_share_of_the_requests_fails() -> None:
    """With `fail=0.5` each second request for an answer fails: busy, cut, broken; and what manages models does not."""
    with MockOllama(fail=0.5, chunks=1, delay=0) as server, Client(server.url) as client:
        outcomes = []
        for _ in range(8):
            client.list()
            try:
                client.generate("m", "hi", stream=True).result()
                outcomes.append("")
            except ollama_sync.OllamaError as error:
                outcomes.append(type(error).__name__)
    assert outcomes[::2] == ["", "", "", ""]
    assert outcomes[1::2] == ["ResponseError", "StreamBroken", "ErrorLine", "ResponseError"]


def test_an_embedding_fails_too() -> None:
    """What does not stream fails by two statuses and by a reply that is cut off."""
    with MockOllama(fail=1) as server, Client(server.url) as client:
        with pytest.raises(ResponseError, match="busy"):
            client.embed("all-minilm", "hi")
        with pytest.raises(ollama_sync.StreamBroken):
            client.embed("all-minilm", "hi")
        with pytest.raises(ResponseError, match="signal: killed"):
            client.embed("all-minilm", "hi")


def test_a_model_outside_of_the_library_is_not_found() -> None:
    """With `models`, another is answered 404 until it has been pulled."""
    with (
        MockOllama(text="Hi", models=["llama3.2"], delay=0) as server,
        Client(server.url) as client,
    ):
        with pytest.raises(ResponseError) as caught:
            client.chat("gemma3", HI)
        client.pull("gemma3")
        assert client.chat("gemma3", HI).message.content == "Hi"
    assert caught.value.status_code == 404
