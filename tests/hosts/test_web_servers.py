"""The servers of the Python web: in each, one client made at import serves every request, and ends with its browser."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

# Beside the interpreter that runs the tests.
_UWSGI = shutil.which("uwsgi", path=str(Path(sys.executable).parent)) or "uwsgi"

# A worker that is told to end while it starts does not hear it, whatever the program: gunicorn then waits for so long.
_GRACE = ("--graceful-timeout", "1")
_GUNICORN = ("-m", "gunicorn", "--bind", "127.0.0.1:{port}", *_GRACE, "hosted:app")
_UWSGI_HTTP = (
    *(_UWSGI, "--http-socket", "127.0.0.1:{port}", "--module", "hosted:app"),
    *("--master", "--die-on-term"),
)

# Name: the command, and how many requests it serves at once.
HOSTS: dict[str, tuple[tuple[str, ...], int]] = {
    "gunicorn-sync": ((*_GUNICORN, "-k", "sync", "-w", "2"), 2),
    "gunicorn-gthread": ((*_GUNICORN, "-k", "gthread", "--threads", "8", "-w", "2"), 8),
    "gunicorn-gevent": ((*_GUNICORN, "-k", "gevent", "-w", "2"), 8),
    "gunicorn-sync-preload": ((*_GUNICORN, "-k", "sync", "-w", "2", "--preload"), 2),
    "gunicorn-gthread-preload": (
        (*_GUNICORN, "-k", "gthread", "--threads", "8", "-w", "2", "--preload"),
        8,
    ),
    "gunicorn-gevent-preload": ((*_GUNICORN, "-k", "gevent", "-w", "2", "--preload"), 8),
    # It forks its workers without the hooks of `os.fork`.
    "uwsgi-processes": ((*_UWSGI_HTTP, "--processes", "2", "--enable-threads"), 2),
    "uwsgi-threads": ((*_UWSGI_HTTP, "--threads", "8"), 8),
    "uwsgi-lazy-apps": ((*_UWSGI_HTTP, "--processes", "2", "--enable-threads", "--lazy-apps"), 2),
    # Between two requests no thread but uWSGI's own runs.
    "uwsgi-no-threads": ((*_UWSGI_HTTP, "--processes", "2"), 2),
    "waitress": (
        ("-m", "waitress", "--listen", "127.0.0.1:{port}", "--threads=8", "hosted:app"),
        8,
    ),
    "flask": (("-m", "flask", "--app", "hosted", "run", "--port", "{port}"), 8),
    "flask-reload": (("-m", "flask", "--app", "hosted", "run", "--port", "{port}", "--reload"), 8),
}


@pytest.mark.parametrize("name", HOSTS)
def test_a_client_made_at_import_serves_every_request(
    name: str, host: Callable[..., Any], upstream: Any
) -> None:
    """As many answers at once as the server has room for, each whole and its own; then it ends when told to."""
    command, room = HOSTS[name]
    site = host(*command)
    for path in ("/stream", "/whole"):
        upstream.echo(together=room)
        prompts = [f"prompt{number}" for number in range(room)]
        with ThreadPoolExecutor(room) as browsers:
            got = list(browsers.map(site.get, [f"{path}?prompt={prompt}" for prompt in prompts]))
        assert got == prompts
    status = site.end()
    assert "Traceback" not in site.printed
    # Waitress and Flask's server handle no SIGTERM.
    assert status in (0, -15), site.printed


@pytest.mark.parametrize("name", HOSTS)
def test_a_browser_that_leaves_ends_its_answer(
    name: str, host: Callable[..., Any], upstream: Any
) -> None:
    """The model stops generating for a page that was closed."""
    site = host(*HOSTS[name][0])
    upstream.on("POST", "/api/chat", None)
    site.leave_in_mid_answer("/stream?prompt=x")
    upstream.wait_disconnect(timeout=30)
