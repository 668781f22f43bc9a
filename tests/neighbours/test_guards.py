"""Beside what forbids connections: a call fails by it, and says so; nobody is asked to report a bug."""

from __future__ import annotations

import subprocess
import sys

import pytest

# In processes of their own: an audit hook stays until the end.
AUDIT = """
import sys
from ollama_sync import Client, ConnectError

def forbid(event, args):
    if event == "socket.connect":
        raise RuntimeError("network use forbidden in tests")

sys.addaudithook(forbid)
"""

PYTEST_SOCKET = """
import warnings
warnings.simplefilter("ignore")
from ollama_sync import Client, ConnectError
from pytest_socket import disable_socket
disable_socket()
"""

CALL = """
try:
    Client("127.0.0.1:9").version()
except ConnectError as error:
    print(type(error.__cause__).__name__, "report" in str(error), "running there" in str(error))
"""


@pytest.mark.own_process
@pytest.mark.parametrize(
    ("guard", "cause"),
    [(AUDIT, "RuntimeError"), (PYTEST_SOCKET, "SocketBlockedError")],
    ids=["audit hook", "pytest-socket"],
)
def test_a_refusal_is_a_connect_error_with_the_guard_as_its_cause(guard: str, cause: str) -> None:
    """Whatever forbids the connection is named, and neither Ollama nor this package is blamed."""
    done = subprocess.run(
        [sys.executable, "-c", guard + CALL],
        check=False,
        capture_output=True,
        text=True,
        timeout=40,
    )
    assert (done.stdout, done.returncode) == (f"{cause} False False\n", 0), done.stderr
