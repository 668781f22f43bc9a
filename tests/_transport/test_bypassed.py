"""A tool that means to catch a call, and cannot, is named; the call goes nowhere. The real tools are in tests/neighbours."""

from __future__ import annotations

import sys
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest
import requests
import urllib3.connectionpool

from ollama_sync import Client, UsageError
from ollama_sync.testing import MockOllama


@pytest.mark.parametrize("real", [False, True])
def test_requests_mock_is_named(
    server: MockOllama, client: Client, monkeypatch: pytest.MonkeyPatch, real: bool
) -> None:
    """Unless it lets through what it does not know."""
    mocker = type("Mocker", (), {"__module__": "requests_mock.mocker", "real_http": real})()

    def send(*_: Any) -> Any:
        return mocker

    monkeypatch.setitem(sys.modules, "requests_mock", ModuleType("requests_mock"))
    monkeypatch.setattr(requests.Session, "send", send)
    if real:
        assert client.version().version
    else:
        with pytest.raises(UsageError, match="requests_mock is active"):
            client.version()
        assert not server.requests


@pytest.mark.parametrize("ignores", [False, True])
def test_a_cassette_is_named(
    server: MockOllama, client: Client, monkeypatch: pytest.MonkeyPatch, ignores: bool
) -> None:
    """Unless it ignores the host."""
    asked: list[Any] = []

    def before(request: Any) -> Any:
        asked.append(request)
        return None if ignores else request

    vcr_request = ModuleType("vcr.request")
    vcr_request.Request = lambda *words: words  # type: ignore[attr-defined] # as VCR.py has it
    stub = SimpleNamespace(cassette=SimpleNamespace(_before_record_request=before))
    monkeypatch.setitem(sys.modules, "vcr", ModuleType("vcr"))
    monkeypatch.setitem(sys.modules, "vcr.request", vcr_request)
    monkeypatch.setattr(urllib3.connectionpool.HTTPConnectionPool, "ConnectionCls", stub)
    if ignores:
        assert client.version().version
    else:
        with pytest.raises(UsageError, match=r"a cassette of VCR\.py is in use"):
            client.version()
        assert not server.requests
    assert asked[0][:2] == ("GET", f"{server.url}/api/version")
