"""`install_as_ollama`: this SDK in the place of the official package. Each test is a program of its own."""

from __future__ import annotations

import subprocess
import sys
import textwrap
from collections.abc import Callable

import pytest

import ollama_sync
from ollama_sync import Client, RequestError, Timeout, merge
from ollama_sync._official.client import Client as OfficialClient
from ollama_sync.testing import MockOllama
from ollama_sync.types import ChatResponse, Message

# The rooms of the official package's names hold what other tests of this process have imported.
pytestmark = pytest.mark.own_process


@pytest.fixture
def program() -> Callable[..., str]:
    """Run a program, and return what it prints."""

    def run(source: str, *, installed: bool = True) -> str:
        # Not installed: importing it fails, as where it is not.
        hidden = "" if installed else "import sys; sys.modules['httpx'] = None\n"
        code = hidden + textwrap.dedent(source)
        done = subprocess.run(
            [sys.executable, "-c", code], capture_output=True, text=True, check=False, timeout=60
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    return run


def test_its_names_are_ours(program: Callable[..., str]) -> None:
    """Functions, `Client`, replies and errors are this SDK's, under every module that programs import."""
    said = program("""
        from ollama_sync import install_as_ollama, types, errors
        install_as_ollama()
        import ollama
        from ollama import chat, Client, Message, ResponseError
        from ollama._types import ChatResponse, Options
        from ollama._client import Client as same
        from ollama._utils import convert_function_to_tool
        assert Client is same is ollama.Client
        assert ChatResponse is types.ChatResponse and Message is types.Message
        assert ResponseError is errors.ResponseError
        assert Client.__mro__[1].__module__ == "ollama_sync._client.client"
        def add(a: int) -> int:
            "Add."
        assert convert_function_to_tool(add).function.name == "add"
        import importlib.util
        assert importlib.util.find_spec("ollama") is not None
        print(chat.__module__)
    """)
    assert said == "ollama_sync\n"


def test_the_async_half_is_the_official_one(program: Callable[..., str]) -> None:
    """What is not here comes from the official package, whose errors are ours then."""
    pytest.importorskip("ollama")
    program("""
        import asyncio
        from ollama_sync import ResponseError, install_as_ollama
        from ollama_sync.testing import MockOllama, reply
        install_as_ollama()
        from ollama import AsyncClient
        from ollama._types import SubscriptableBaseModel
        assert AsyncClient.__module__ == "ollama._client"
        async def ask(url):
            return await AsyncClient(url).generate("m", "hi")
        with MockOllama() as server:
            server.script([reply({"error": "no"}, 404)], path="/api/generate")
            try:
                asyncio.run(ask(server.url))
            except ResponseError as error:
                assert (error.status_code, error.error) == (404, "no")
            else:
                raise AssertionError
    """)


def test_without_the_official_package_the_rest_works(program: Callable[..., str]) -> None:
    """A program may make an `AsyncClient` in vain; using it says what is missing."""
    said = program(
        """
        from ollama_sync import UsageError, install_as_ollama
        install_as_ollama()
        import ollama
        client = ollama.AsyncClient(host="gpu1", headers={})
        try:
            client.chat
        except UsageError as error:
            print(error)
        assert not hasattr(ollama, "nothing")
        assert ollama.Client("gpu1")
        """,
        installed=False,
    )
    assert "pip install ollama" in said


def test_it_is_refused_where_somebody_keeps_the_official_names(program: Callable[..., str]) -> None:
    """Half a program on one engine and half on the other would be worse than either."""
    pytest.importorskip("ollama")
    said = program("""
        from ollama import Client
        from ollama_sync import UsageError, install_as_ollama
        try:
            install_as_ollama()
        except UsageError as error:
            print(error)
        import ollama
        assert ollama.Client is Client
    """)
    assert said.startswith("install_as_ollama: __main__ has imported names of the official package")


def test_it_can_be_undone(program: Callable[..., str]) -> None:
    """Behind the block the official package is what it was, with its own errors."""
    pytest.importorskip("ollama")
    program("""
        import importlib
        from ollama_sync import install_as_ollama
        with install_as_ollama() as installed:
            assert install_as_ollama() is installed
            assert installed.is_in_force
        assert not installed.is_in_force
        official = importlib.import_module("ollama")
        assert official.Client.__module__ == "ollama._client"
        assert official.ResponseError.__module__ == "ollama._types"
        installed.undo()
    """)


def test_a_client_takes_what_programs_hand_on_to_httpx() -> None:
    """What has a meaning here has it, and what asks for nothing else than what is done is taken."""
    httpx = pytest.importorskip("httpx")
    client = OfficialClient(
        "gpu1",
        timeout=httpx.Timeout(5, read=60),
        auth=httpx.BasicAuth("ada", "secret"),
        headers=httpx.Headers({"X-A": "1"}),
        follow_redirects=True,
        http2=False,
        cookies=None,
        verify=False,
    )
    assert client._calls._timeout == Timeout(connect=5, first=60, idle=60)
    headers = client._transport._headers
    assert headers["Authorization"] == "Basic YWRhOnNlY3JldA=="
    assert headers["x-a"] == "1"
    assert OfficialClient("gpu1", auth=("ada", "secret"))._transport._headers["Authorization"]
    assert OfficialClient("gpu1", trust_env=False)._given["proxy"] == ""
    with pytest.raises(RequestError, match="auth=DigestAuth"):
        OfficialClient("gpu1", auth=httpx.DigestAuth("ada", "secret"))
    with pytest.raises(RequestError, match="auth='secret'"):
        OfficialClient("gpu1", auth="secret")


@pytest.mark.parametrize("kind", [Client, OfficialClient])
@pytest.mark.parametrize(
    ("name", "instead"),
    [
        ("base_url", "host="),
        ("transport", "retries="),
        ("event_hooks", "observe="),
        ("limits", "a connection for each call"),
        ("max_retries", "retries="),
        ("time_out", "did you mean timeout="),
    ],
)
def test_a_foreign_argument_says_what_there_is_instead(
    kind: type[Client], name: str, instead: str
) -> None:
    """It is a TypeError, as for any argument that is not there."""
    with pytest.raises(TypeError, match=instead):
        kind("gpu1", **{name: {"x": "y"}})


def test_foreign_names_say_what_there_is_instead(server: MockOllama, client: Client) -> None:
    """`AsyncClient`, a stream taken for a reply, and something else than a stream given to `merge`."""
    with pytest.raises(AttributeError, match="no async half"):
        ollama_sync.AsyncClient  # noqa: B018 - looking is what is tested
    with client.generate("m", "hi", stream=True) as stream:
        with pytest.raises(AttributeError, match="its parts have"):
            stream.response  # type: ignore[attr-defined] # noqa: B018 - as above
        with pytest.raises(AttributeError, match=r"has no 'nothing'$"):
            stream.nothing  # type: ignore[attr-defined] # noqa: B018 - as above
    with pytest.raises(RequestError, match="1 is no stream"):
        merge([1])  # type: ignore[list-item] # that is what is tested


def test_replies_have_what_pydantic_models_have() -> None:
    """`model_validate`, `model_copy` and `model_dump_json` do what programs use them for."""
    reply = ChatResponse.model_validate(
        {"message": {"role": "assistant", "content": "hi"}, "new": 1}
    )
    assert reply.message.content == "hi"
    assert ChatResponse.model_validate(reply) == reply
    assert ChatResponse.model_validate_json(reply.model_dump_json()) == reply
    other = reply.model_copy(update={"model": "m"})
    assert (other.model, reply.model) == ("m", None)
    deep = reply.model_copy(deep=True)
    deep["message"]["content"] = "ho"
    assert reply.message.content == "hi"
    assert dict(reply) == {"message": {"role": "assistant", "content": "hi"}, "new": 1}
    assert {**reply} == dict(reply)
    with pytest.raises(ValueError, match="an object is needed"):
        ChatResponse.model_validate(7)


def test_a_pydantic_model_may_have_fields_that_are_views() -> None:
    """A field takes a view or a mapping, and is dumped as what was sent."""
    pydantic = pytest.importorskip("pydantic")
    model = pydantic.create_model("Talk", last=(Message, ...))
    talk = model(last={"role": "user", "content": "hi"})
    assert talk.last.content == "hi"
    assert talk.model_dump() == {"last": {"role": "user", "content": "hi"}}
    assert model(last=talk.last).last is talk.last
    with pytest.raises(pydantic.ValidationError):
        model(last=7)
