"""What the tests of hosts share: an Ollama to talk to, and programs of their own.

These tests need programs from elsewhere (gunicorn, uWSGI, Waitress, Celery), so they run in an environment of their own,
once.
"""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from ollama_sync.testing import Gate, MockOllama, Request, chunk, end, head, reply, wait

# Seconds after which a wait is taken for a hang.
PATIENCE = 30.0


class Ollama(MockOllama):
    """An Ollama that answers each prompt with itself, letter by letter, and at will holds its answers back."""

    def echo(self, together: int = 1) -> None:
        """Finish no answer before `together` of them are under way."""
        gate = Gate(f"{together} at once")
        began: list[str] = []

        def answer(request: Request) -> Any:
            prompt = request.json["messages"][0]["content"]
            began.append(prompt)
            if len(began) >= together:
                gate.open()
            if request.json.get("stream") is False:
                return [wait(gate), reply(_said(prompt, done=True))]
            letters = [chunk(_said(letter)) for letter in prompt]
            return [head(), *letters, wait(gate), chunk(_said("", done=True)), end()]

        self.on("POST", "/api/chat", answer)


def _said(text: str, *, done: bool = False) -> dict[str, Any]:
    return {"model": "m", "message": {"role": "assistant", "content": text}, "done": done}


@pytest.fixture
def upstream() -> Iterator[Ollama]:
    """The Ollama behind the host; without `echo` its streams last for minutes."""
    with Ollama(chunks=20_000, delay=0.01) as running:
        yield running


def _environ(upstream: MockOllama) -> dict[str, str]:
    # The folder of this file first, so that hosts can import `hosted`.
    paths = [str(Path(__file__).parent), os.environ.get("PYTHONPATH", "")]
    python_path = os.pathsep.join(filter(None, paths))
    return {**os.environ, "OLLAMA_HOST": upstream.url, "PYTHONPATH": python_path}


class Site:
    """A web host under way.

    Args:
        process: its master.
        port: where it listens.
        log: the file of what it prints.
    """

    def __init__(self, process: subprocess.Popen[bytes], port: int, log: Path) -> None:
        self.process = process
        self.port = port
        self._log = log

    @property
    def printed(self) -> str:
        """What it has printed so far."""
        return self._log.read_text(errors="replace")

    def get(self, path: str) -> str:
        """Fetch a page. Blocks."""
        with urllib.request.urlopen(f"http://127.0.0.1:{self.port}{path}", timeout=PATIENCE) as got:
            return str(got.read().decode())

    def leave_in_mid_answer(self, path: str) -> None:
        """Ask as a browser does, and close the page when the answer has begun."""
        with socket.create_connection(("127.0.0.1", self.port), PATIENCE) as browser:
            browser.sendall(f"GET {path} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
            got = b""
            while b"\r\n\r\n" not in got or got.endswith(b"\r\n\r\n"):
                data = browser.recv(4096)
                assert data, got
                got += data
            assert b" 200 " in got.split(b"\r\n")[0], got

    def wait_for(self) -> None:
        """Wait until it answers."""
        deadline = time.monotonic() + PATIENCE
        while True:
            assert self.process.poll() is None, self.printed
            assert time.monotonic() < deadline, self.printed
            try:
                self.get("/whole?prompt=up")
            except (urllib.error.URLError, ConnectionError, TimeoutError):
                time.sleep(0.02)
            else:
                return

    def end(self) -> int:
        """Ask it to end, as a service manager does, and return its status."""
        self.process.terminate()
        return self.process.wait(PATIENCE)


@pytest.fixture
def host(upstream: Ollama, tmp_path: Path) -> Iterator[Callable[..., Site]]:
    """Starts a web host; "{port}" in its arguments is replaced by a free one."""
    made: list[Site] = []

    def start(*arguments: str, **environ: str) -> Site:
        upstream.echo()
        with socket.create_server(("127.0.0.1", 0)) as free:
            port = free.getsockname()[1]
        log = tmp_path / f"{len(made)}.log"
        command = [argument.replace("{port}", str(port)) for argument in arguments]
        with log.open("wb") as out:
            process = subprocess.Popen(
                [sys.executable, *command] if command[0].startswith("-") else command,
                cwd=tmp_path,
                env={**_environ(upstream), **environ},
                stdout=out,
                stderr=subprocess.STDOUT,
                # A group of its own: Flask's reloader leaves its child behind when it is killed.
                start_new_session=True,
            )
        made.append(Site(process, port, log))
        made[-1].wait_for()
        return made[-1]

    yield start
    for site in made:
        with contextlib.suppress(ProcessLookupError):  # all of it has ended
            os.killpg(site.process.pid, signal.SIGKILL)
        site.process.wait()


@pytest.fixture
def program_under_way(
    upstream: Ollama, tmp_path: Path
) -> Iterator[Callable[..., subprocess.Popen[str]]]:
    """Starts a program in an interpreter of its own, to be talked to by pipes while it runs."""
    made: list[subprocess.Popen[str]] = []

    def start(text: str, *arguments: str) -> subprocess.Popen[str]:
        file = tmp_path / "program.py"
        file.write_text(text)
        made.append(
            subprocess.Popen(
                [sys.executable, "-X", "faulthandler", "-W", "error", str(file), *arguments],
                cwd=tmp_path,
                env=_environ(upstream),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
            )
        )
        return made[-1]

    yield start
    for process in made:
        with process:
            process.kill()


@pytest.fixture
def program(upstream: Ollama, tmp_path: Path) -> Callable[..., str]:
    """Runs a program to its end in an interpreter of its own, where warnings are errors; returns what it printed.

    It must end with `status` and leave nothing on its standard error.
    """

    def run(text: str, *arguments: str, status: int = 0) -> str:
        # A file and not -c: what is spawned imports it again.
        file = tmp_path / "program.py"
        file.write_text(text)
        done = subprocess.run(
            [sys.executable, "-X", "faulthandler", "-W", "error", str(file), *arguments],
            cwd=tmp_path,
            env=_environ(upstream),
            capture_output=True,
            text=True,
            timeout=2 * PATIENCE,
            check=False,
        )
        assert (done.returncode, done.stderr) == (status, ""), done.stdout + done.stderr
        return done.stdout

    return run


# For `test_flask_servers.py`.

# Only what an answer that streams needs; `X-Accel-Buffering: no` of the response does the rest.
_NGINX = """
daemon off;
master_process off;
error_log stderr warn;
pid {folder}/nginx.pid;
events {{}}
http {{
    access_log off;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    server {{
        listen 127.0.0.1:{port};
        location / {{
            proxy_pass http://127.0.0.1:{behind};
            proxy_http_version 1.1;
            proxy_set_header Connection "";
        }}
    }}
}}
"""


@pytest.fixture
def nginx_before(tmp_path: Path, path_of: Callable[[str], str]) -> Iterator[Callable[[int], int]]:
    """Starts nginx, as one process, before the server at a port; gives the port of nginx."""
    made: list[subprocess.Popen[bytes]] = []

    def start(behind: int) -> int:
        nginx = path_of("nginx")
        with socket.create_server(("127.0.0.1", 0)) as free:
            port = free.getsockname()[1]
        folder = tmp_path / "nginx"
        folder.mkdir()
        config, log = folder / "nginx.conf", folder / "log"
        config.write_text(_NGINX.format(folder=folder, port=port, behind=behind))
        with log.open("wb") as out:
            command = [nginx, "-p", str(folder), "-c", str(config)]
            made.append(subprocess.Popen(command, stdout=out, stderr=out))
        Site(made[-1], port, log).wait_for()
        return port

    yield start
    for process in made:
        process.terminate()
        process.wait(PATIENCE)
