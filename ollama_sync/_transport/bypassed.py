"""Tools that catch a program's HTTP, and would not catch ours: while one is active, a call is refused rather than let through.

A test that believes its calls to be caught would go to the network. `responses` is honoured: it replaces requests' adapter, by
which our requests go. Runs on the caller's thread, for each call; a look at two attributes where no such tool is imported.
"""

from __future__ import annotations

import sys
from typing import Any

import requests
import urllib3.connectionpool

from ollama_sync.errors import UsageError

_WORKS = "use the `responses` library, ollama_sync.testing's playback, or its mock server"


def refuse_bypassed(tried: str, method: str, url: str) -> None:
    """Do nothing, unless a tool is active that means to catch this request and cannot.

    Args:
        tried: the request, as errors name it.
        method: of HTTP.
        url: where it goes.

    Raises:
        UsageError: there is one.
    """
    if "requests_mock" in sys.modules and _requests_mock_wants_it():
        raise UsageError(
            f"{tried}: requests_mock is active, which replaces what this package does not use; {_WORKS}"
        )
    if "vcr" in sys.modules and _vcr_wants_it(method, url):
        raise UsageError(
            f"{tried}: a cassette of VCR.py is in use, which replaces what this package does not use; {_WORKS}"
        )


def _requests_mock_wants_it() -> bool:
    # Its function in the place of requests' own holds the mocker, which may let through what it does not know.
    cells = getattr(requests.Session.send, "__closure__", None) or ()
    mockers = [
        cell.cell_contents
        for cell in cells
        if type(cell.cell_contents).__module__.startswith("requests_mock")
    ]
    return any(not getattr(mocker, "real_http", False) for mocker in mockers)


def _vcr_wants_it(method: str, url: str) -> bool:
    stub: Any = urllib3.connectionpool.HTTPConnectionPool.ConnectionCls
    cassette = getattr(stub, "cassette", None)
    if cassette is None:
        return False
    # It says by None what it leaves alone, as hosts that it is told to ignore.
    ask = getattr(cassette, "_before_record_request", None)
    request = sys.modules["vcr.request"].Request(method, url, b"", {})
    return ask is None or ask(request) is not None
