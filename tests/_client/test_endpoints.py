"""Tests of the table of endpoints: the routes, the clocks, and which calls may be made twice. Pure."""

from __future__ import annotations

from typing import Any

import pytest

from ollama_sync import (
    ChatResponse,
    GenerateResponse,
    ListResponse,
    Timeout,
    VersionResponse,
)
from ollama_sync._client import endpoints
from ollama_sync._client.endpoints import CHAT, GENERATE, LIST, VERSION, Endpoint


@pytest.mark.parametrize(
    ("endpoint", "route", "reply", "streams"),
    [
        (CHAT, ("chat", "POST", "/api/chat"), ChatResponse, True),
        (GENERATE, ("generate", "POST", "/api/generate"), GenerateResponse, True),
        (LIST, ("list", "GET", "/api/tags"), ListResponse, False),
        (VERSION, ("version", "GET", "/api/version"), VersionResponse, False),
    ],
    ids=["chat", "generate", "list", "version"],
)
def test_the_table(
    endpoint: Endpoint[Any], route: tuple[str, str, str], reply: type, streams: bool
) -> None:
    """Each verb has the route, the reply and the clocks that the server's API and the design name."""
    assert (endpoint.verb, endpoint.method, endpoint.path) == route
    assert endpoint.reply is reply
    assert endpoint.timeout == Timeout(10, None, None, None)
    assert (endpoint.stream is not None) is streams
    if endpoint.stream is not None:
        assert endpoint.stream.timeout == Timeout(10, 600, 300, None)


def test_which_calls_may_be_made_twice() -> None:
    """Each call that does not only look is named here, so that none is forgotten: these do no harm, those do."""
    table = [row for row in vars(endpoints).values() if isinstance(row, Endpoint)]
    for row in table:
        assert row.safe or row.method not in ("GET", "HEAD"), row.verb
    changing = {row.verb: row.safe for row in table if row.method not in ("GET", "HEAD")}
    again = "chat generate embed embeddings systemone show copy pull create_blob whoami"
    again += " local_web_search local_web_fetch web_search web_fetch"
    once = "delete push create signout"
    assert changing == {**dict.fromkeys(again.split(), True), **dict.fromkeys(once.split(), False)}
