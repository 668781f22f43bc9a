"""Beside what catches a program's HTTP: it is honoured, or a call is refused with its name. Nothing goes to the network unseen."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from ollama_sync import Client, UsageError
from ollama_sync.testing import MockOllama


def test_a_cassette_of_vcrpy_is_refused(server: MockOllama, client: Client, tmp_path: Path) -> None:
    """It would neither record nor play; what it ignores goes its way, and behind it all is as before."""
    vcr = pytest.importorskip("vcr")
    with vcr.use_cassette(str(tmp_path / "tape.yaml")):
        with pytest.raises(UsageError, match=r"VCR\.py"):
            client.version()
        assert not server.requests
    with vcr.VCR(ignore_localhost=True).use_cassette(str(tmp_path / "tape.yaml")):
        assert client.version().version
    assert client.version().version


def test_requests_mock_is_refused(server: MockOllama, client: Client) -> None:
    """Unless it is told to let pass what it does not know."""
    requests_mock = pytest.importorskip("requests_mock")
    with requests_mock.Mocker(), pytest.raises(UsageError, match="requests_mock"):
        client.version()
    assert not server.requests
    with requests_mock.Mocker(real_http=True):
        assert client.version().version
    assert client.version().version


def test_responses_is_honoured(client: Client) -> None:
    """It replaces requests' adapter, by which our requests go."""
    responses = pytest.importorskip("responses")
    with responses.RequestsMock() as mock:
        mock.get(f"{client.transport.host.url}/api/version", json={"version": "9.9"})
        assert client.version().version == "9.9"


@pytest.mark.own_process
def test_a_first_use_under_a_cassette_outlives_it(server: MockOllama, tmp_path: Path) -> None:
    """What is imported while a cassette is open is derived from urllib3's own classes all the same."""
    program = f"""
import vcr
import ollama_sync as ollama
with vcr.use_cassette({str(tmp_path / "tape.yaml")!r}, record_mode="none"):
    try:
        ollama.Client({server.url!r}).version()
    except ollama.UsageError as error:
        print("refused")
with ollama.Client({server.url!r}) as client:
    print(client.version().version)
"""
    pytest.importorskip("vcr")
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=False, timeout=60
    )
    assert done.stdout == "refused\n0.33.0\n", done.stderr


@pytest.mark.own_process
def test_eventlet_is_refused(server: MockOllama) -> None:
    """Under its patch there are no native threads; the first call says so instead of waiting for ever. Beside it, unpatched, all works."""
    program = f"""
import warnings
warnings.simplefilter("ignore")
import eventlet
PATCH
import ollama_sync as ollama
try:
    print(ollama.Client({server.url!r}).version().version)
except ollama.HubError as error:
    print("eventlet" in str(error))
"""
    pytest.importorskip("eventlet")
    for patch, said in (("eventlet.monkey_patch()", "True"), ("", "0.33.0")):
        done = subprocess.run(
            [sys.executable, "-c", program.replace("PATCH", patch)],
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )
        assert done.stdout == f"{said}\n", done.stderr
