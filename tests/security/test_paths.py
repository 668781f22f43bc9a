"""Names and paths that come from elsewhere: none becomes another request, another route or the name of a file."""

from __future__ import annotations

import base64
import contextlib
from pathlib import Path
from typing import Any

import pytest

from ollama_sync import Client, RequestError, ResponseError
from ollama_sync.testing import MockOllama, reply

HI = [{"role": "user", "content": "hi"}]
EVIL = [
    *("../../etc/passwd", "/etc/passwd", "m\r\nX-Evil: 1", "m HTTP/1.1", "m?x=1#y", "m%0d%0aX: 1"),
    *("http://elsewhere.example/", "\\\\server\\share", "a/../b", "m\0"),
]


@pytest.mark.parametrize("name", EVIL)
def test_the_name_of_a_model_is_never_a_part_of_the_request_line(
    name: str, server: MockOllama
) -> None:
    """It goes in the body, whatever is in it: the route stays what it was, and no header is added."""
    with Client(server.url) as client:
        calls: list[Any] = [
            lambda: client.chat(name, HI),
            lambda: client.generate(name, "hi"),
            lambda: client.show(name),
            lambda: client.embed(name, "hi"),
            lambda: client.pull(name),
            lambda: client.copy(name, name),
            lambda: client.delete(name),
        ]
        for call in calls:
            # Refused before it was sent, or by the server, which knows no such model; or answered.
            with contextlib.suppress(RequestError, ResponseError):
                call()
    routes = {
        f"/api/{verb}" for verb in ("chat", "generate", "show", "embed", "pull", "copy", "delete")
    }
    for request in server.requests:
        assert request.path in routes
        assert name in (request.json.get("model"), request.json.get("source"))
        assert "x-evil" not in request.headers


@pytest.mark.parametrize(
    "path",
    [
        *("/../admin", "/api/../../admin", "/./admin", "/%2e%2e/admin", "/.%2E/admin", "/a/.."),
        *(
            "//elsewhere.example/",
            "http://elsewhere.example/",
            "/a\r\nX: 1",
            "/a b",
            "/a#b",
            "/a\\b",
        ),
    ],
)
def test_a_path_of_request_stays_below_the_prefix_of_the_host(
    path: str, server: MockOllama
) -> None:
    """What would leave it, or become another host or a header, is refused before anything is sent."""
    with (
        Client(f"{server.url}/prefix") as client,
        pytest.raises(RequestError, match="path="),
    ):
        client.request("GET", path)
    assert server.requests == ()


@pytest.mark.parametrize("path", ["/api/version", "/v1/models/a..b", "/x/...", "/x?y=../z"])
def test_dots_in_a_name_are_no_way_out(path: str, server: MockOllama) -> None:
    """Names with dots, and dots behind the question mark, are sent as they are."""
    server.on("GET", f"/prefix{path.partition('?')[0]}", [reply({})])
    with Client(f"{server.url}/prefix") as client:
        client.request("GET", path)
    assert server.requests[0].path == f"/prefix{path.partition('?')[0]}"


def test_no_text_is_the_name_of_a_file(server: MockOllama, tmp_path: Path) -> None:
    """A text that names a readable file is never read from it; a `Path` is."""
    secret = tmp_path / "secret"
    secret.write_bytes(b"SECRET")
    packed = base64.b64encode(b"SECRET")
    with Client(server.url) as client:
        for image in (str(secret), f"file://{secret}", "./secret", "~/secret"):
            with pytest.raises(RequestError):
                client.generate("m", "hi", images=[image])
            with pytest.raises(RequestError):
                client.chat("m", [{**HI[0], "images": [image]}])
        assert server.requests == ()
        client.generate("m", "hi", images=[secret])
        assert packed in server.requests[0].body
        with pytest.raises(ResponseError, match="digest"):
            client.create("new", files={"a.gguf": str(secret)})
    assert b"SECRET" not in server.requests[-1].body
    assert [request.path for request in server.requests] == ["/api/generate", "/api/create"]
