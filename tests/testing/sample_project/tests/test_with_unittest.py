"""Test cases of unittest: by pytest's fixtures, and with no pytest at all."""

from __future__ import annotations

import unittest

import pytest
from summaries import summary_of, title_of

from ollama_sync import Client
from ollama_sync.testing import MockOllama, answer


class TestByFixture(unittest.TestCase):
    """The fixture is taken over by one of the class."""

    @pytest.fixture(autouse=True)
    def _take(self, ollama_server: MockOllama) -> None:
        self.server = ollama_server

    def test_a_title(self) -> None:
        """The functions of the module go to the fixture's server."""
        self.server.script([answer(['"Tea"'])], "/api/generate")
        assert title_of("About tea.") == "Tea"
        self.server.assert_asked("/api/generate", prompt="Give this text a title: About tea.")


class TestByItself(unittest.TestCase):
    """This runs by `python -m unittest` as well."""

    def setUp(self) -> None:
        """Start a server, and make a client of it."""
        self.server = MockOllama(strict=True).start()
        self.addCleanup(self.server.stop)
        self.client = Client(self.server.url)
        self.addCleanup(self.client.close)

    def test_a_summary(self) -> None:
        """The pieces make up the whole."""
        self.server.script([answer(["Tea ", "is ", "hot."])])
        assert "".join(summary_of("About tea.", self.client)) == "Tea is hot."
        self.server.check()
