"""The chat under gunicorn: an answer whose worker dies ends with an error, and not in silence."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import expect

from ollama_sync.testing import answer, chunk, head, silence

APP = Path(__file__).parents[2] / "examples" / "flask_chat" / "app.py"

# The example as it is, and in each response the process that made it.
SERVED = f"""
import os, runpy
app = runpy.run_path({str(APP)!r}, run_name="chat")["app"]

@app.after_request
def sign(response):
    response.headers["X-Worker"] = str(os.getpid())
    return response
"""


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


def wait_for(port: int, process: subprocess.Popen[bytes]) -> None:
    """Wait until that port takes connections."""
    until = time.monotonic() + 30
    while True:
        assert process.poll() is None, "it has ended"
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            assert time.monotonic() < until, "it does not listen"
            time.sleep(0.05)
        else:
            return


@pytest.fixture
def server(upstream: Any, tmp_path: Path) -> Iterator[str]:
    """The page, served by a worker of gunicorn."""
    (tmp_path / "served.py").write_text(SERVED, encoding="utf-8")
    port = free_port()
    words = ["-w", "1", "-k", "gthread", "--threads", "16", "-b", f"127.0.0.1:{port}", "served:app"]
    settings = {"OLLAMA_HOST": upstream.url, "SECRET_KEY": "of this test"}
    with subprocess.Popen(
        [sys.executable, "-m", "gunicorn", *words],
        cwd=tmp_path,
        env={**os.environ, **settings, "PYTHONPATH": str(APP.parent)},
        start_new_session=True,
    ) as process:
        try:
            wait_for(port, process)
            yield f"http://127.0.0.1:{port}"
        finally:
            process.terminate()


def ask(tab: Any, question: str) -> int:
    """Ask, and return the process that works on the answer."""
    with tab.page.expect_response(lambda response: response.url.endswith("/answers")) as response:
        tab.ask(question)
    return int(response.value.headers["x-worker"])


def test_a_worker_that_is_killed_is_told(new_tab: Callable[..., Any], upstream: Any) -> None:
    """SIGKILL of the worker that pumps: within 5 s every tab shows an error behind what had come; then it can ask the new one."""
    tabs = [new_tab()]
    upstream.script(
        [head(), chunk({"message": {"content": "half of it"}, "done": False}), silence()]
    )
    worker = ask(tabs[0], "Go on")
    expect(tabs[0].answer).to_contain_text("half of it")
    tabs += [new_tab(f"#{tabs[0].page.url.split('#')[1]}") for _ in range(2)]
    for tab in tabs:
        expect(tab.answer).to_contain_text("half of it")
    os.kill(worker, signal.SIGKILL)
    killed = time.monotonic()
    for tab in tabs:
        expect(tab.page.get_by_role("alert").filter(has_text="Failed:")).to_be_visible()
    assert time.monotonic() - killed < 5
    for tab in tabs:
        expect(tab.answer).to_contain_text("half of it")
        tab.forgive("net::ERR_", "404")
    upstream.script([answer(["All of it."])])
    tabs[0].page.get_by_role("button", name="Try again").click()
    for tab in tabs:
        expect(tab.answer).to_contain_text("All of it.")
        tab.forgive("net::ERR_", "404")
