"""What the tests of the chat's page share: a headless Chromium, the page's server, and the mock of Ollama behind it.

Chromium is a process of its own, started once and driven by Playwright from the main thread; each test has a profile of its own. The page
is served by threads of this process, with the server that `flask run` uses.
"""

from __future__ import annotations

import os
import runpy
import shutil
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
def chromium() -> Iterator[Browser]:
    """The browser, with a fresh profile."""
    path = os.environ.get("CHROMIUM") or shutil.which("chromium")
    assert path, "chromium is not installed: apt-get install chromium, or name it by CHROMIUM"
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
def site(upstream: MockOllama) -> Iterator[str]:
    """The address of the page."""
    app: Flask = runpy.run_path(str(APP), run_name="chat")["app"]
    app.config["OLLAMA_HOST"] = upstream.url
    server = make_server("127.0.0.1", 0, app, threaded=True)
    thread = threading.Thread(target=server.serve_forever, name="site")
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}/"
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
        self.page.get_by_role("button", name="Send").click()

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

    def open_tab() -> Tab:
        tabs.append(Tab(context.new_page()))
        tabs[-1].page.goto(site)
        expect(tabs[-1].page.get_by_label("Model")).to_be_enabled()
        return tabs[-1]

    yield open_tab
    context.close()
    assert [problem for tab in tabs for problem in tab.problems] == []


@pytest.fixture
def tab(new_tab: Callable[..., Tab]) -> Tab:
    """The chat, in a profile of this test's own."""
    return new_tab()
