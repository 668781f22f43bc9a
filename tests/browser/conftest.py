"""What the tests of the chat's page share: a headless Chromium, the page's server, and the mock of Ollama behind it.

Chromium is a process of its own, started once and driven by Playwright from the main thread; each test has a profile of its own. The page
is served by threads of this process, with the server that `flask run` uses.
"""

from __future__ import annotations

import contextlib
import os
import runpy
import socket
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from playwright.sync_api import Browser, ConsoleMessage, Page, expect, sync_playwright
from werkzeug.serving import make_server

from ollama_sync.flask import current_ollama
from ollama_sync.testing import MockOllama

APP = Path(__file__).parents[2] / "examples" / "flask_chat" / "app.py"

# Milliseconds after which a wait is taken for a hang.
PATIENCE = 15_000
expect.set_options(timeout=PATIENCE)

ARGUMENTS = [
    "--no-sandbox",
    "--disable-background-networking",
    "--disable-component-update",
]


@pytest.fixture(scope="session")
def chromium(path_of: Callable[[str], str]) -> Iterator[Browser]:
    """The browser, with a fresh profile."""
    path = os.environ.get("CHROMIUM") or path_of("chromium")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, headless=True, args=ARGUMENTS)
        yield browser
        browser.close()


@pytest.fixture
def upstream() -> Iterator[MockOllama]:
    """The Ollama behind the page, which answers as each test says."""
    with MockOllama() as running:
        yield running


@pytest.fixture
def abandon_after() -> float:
    """The seconds after which an answer is given up that nobody follows; a test may name others."""
    return 30.0


@pytest.fixture
def app(upstream: MockOllama, abandon_after: float, monkeypatch: pytest.MonkeyPatch) -> Flask:
    """The example, which asks the mock."""
    monkeypatch.syspath_prepend(APP.parent)  # as `flask --app` has it
    app: Flask = runpy.run_path(str(APP), run_name="chat")["app"]
    app.config["OLLAMA_HOST"] = upstream.url
    app.config["OLLAMA_ANSWERS_ABANDON_AFTER"] = abandon_after
    return app


class Line:
    """A TCP relay between the browser and a server, which a test cuts and mends.

    The main thread makes it, cuts it and mends it; a thread of its own accepts, and two for each connection copy. `_ends` belongs to
    the main thread but for `append`, which the accepting thread does.

    Args:
        port: of the server, on loopback.
    """

    def __init__(self, port: int) -> None:
        self._server = ("127.0.0.1", port)
        self._ends: list[socket.socket] = []
        self._hushed = (
            threading.Event()
        )  # of the connections that there are; later ones have another
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self._accept()

    def _accept(self) -> None:
        threading.Thread(target=self._run, args=(self._listener,), daemon=True).start()

    def _run(self, listener: socket.socket) -> None:
        while True:
            try:
                near, _ = listener.accept()
            except OSError:  # cut
                return
            far = socket.create_connection(self._server)
            self._ends += [near, far]
            for one, other in ((near, far), (far, near)):
                args = (one, other, self._hushed)
                threading.Thread(target=_copy, args=args, daemon=True).start()

    def cut(self) -> None:
        """End all connections, and refuse new ones."""
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for end in self._ends:
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
            end.close()
        self._ends.clear()

    def hush(self) -> None:
        """Let nothing through any more on the connections that there are, and leave them open, as a lost network does."""
        self._hushed.set()
        self._hushed = threading.Event()

    def mend(self) -> None:
        """Take connections again, at the same port."""
        self._listener = socket.create_server(("127.0.0.1", self.port))
        self._accept()


def _copy(one: socket.socket, other: socket.socket, hushed: threading.Event) -> None:
    try:
        while data := one.recv(65536):
            if not hushed.is_set():
                other.sendall(data)
    except OSError:  # the other end has gone: this one is told
        with contextlib.suppress(OSError):
            one.shutdown(socket.SHUT_RDWR)
    if not hushed.is_set():  # its end is silent, too
        with contextlib.suppress(OSError):
            other.shutdown(socket.SHUT_WR)


@pytest.fixture
def line(server: str) -> Iterator[Line]:
    """What lies between the browser and the page's server."""
    made = Line(int(server.rsplit(":", 1)[1]))
    yield made
    made.cut()


@pytest.fixture
def site(line: Line) -> str:
    """The address of the page."""
    return f"http://127.0.0.1:{line.port}/"


@pytest.fixture
def server(app: Flask) -> Iterator[str]:
    """The page's server, without the line to it."""
    server = make_server("127.0.0.1", 0, app, threaded=True)
    thread = threading.Thread(target=server.serve_forever, name="site")
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()
    with app.app_context():
        current_ollama.close()


class Tab:
    """A page of the chat, and what its console said.

    Args:
        page: the page, open.
    """

    def __init__(self, page: Page) -> None:
        self.page = page
        self.problems: list[str] = []
        page.on("console", self._note)
        page.on("pageerror", lambda error: self.problems.append(str(error)))

    def _note(self, message: ConsoleMessage) -> None:
        if message.type in ("error", "warning"):
            self.problems.append(message.text)

    def forgive(self, *words: str) -> None:
        """Forget the problems that have one of these words: the browser's own notes of what a test has made go wrong."""
        self.problems = [each for each in self.problems if not any(word in each for word in words)]

    def ask(self, question: str) -> None:
        """Write a question, and send it."""
        self.page.get_by_label("Message", exact=True).fill(question)
        self.page.get_by_role("button", name="Send", exact=True).click()

    def choose(self, action: str) -> None:
        """Take an action of the conversation's menu."""
        self.page.get_by_role("button", name="This conversation").click()
        self.page.get_by_role("group", name="This conversation").get_by_text(action).click()

    @property
    def answer(self) -> Any:
        """The last answer."""
        return self.page.get_by_role("article").last


@pytest.fixture
def new_tab(chromium: Browser, site: str, upstream: MockOllama) -> Iterator[Callable[..., Tab]]:
    """Opens the chat; all tabs of a test belong to one profile. Afterwards the console of none may have told a problem."""
    context = chromium.new_context(reduced_motion="reduce")
    context.set_default_timeout(PATIENCE)
    tabs: list[Tab] = []

    def open_tab(fragment: str = "") -> Tab:
        tabs.append(Tab(context.new_page()))
        tabs[-1].page.goto(site + fragment)
        expect(tabs[-1].page.get_by_label("Model", exact=True)).to_be_enabled()
        return tabs[-1]

    yield open_tab
    context.close()
    assert [problem for tab in tabs for problem in tab.problems] == []


@pytest.fixture
def tab(new_tab: Callable[..., Tab]) -> Tab:
    """The chat, in a profile of this test's own."""
    return new_tab()
