"""What the tests of engines share: two servers, and programs of their own that spread work over processes.

These tests need engines from elsewhere (Dask, Ray, joblib, Celery), so they run in an environment of their own, once. Their programs
print a JSON object on their last line.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from ollama_sync.testing import MockOllama, Request, reply

# Seconds after which a program is taken for a hang.
PATIENCE = 55.0


class Pair:
    """Two servers that say a prompt in capitals."""

    def __init__(self, one: MockOllama, two: MockOllama) -> None:
        self.servers = (one, two)
        for server in self.servers:
            server.on("POST", "/api/generate", _capitals)

    @property
    def urls(self) -> list[str]:
        """Where they are."""
        return [server.url for server in self.servers]

    @property
    def asked(self) -> Counter[str]:
        """How often each prompt was asked."""
        return Counter(
            request.json["prompt"]
            for server in self.servers
            for request in server.requests
            if request.path == "/api/generate"
        )


def _capitals(request: Request) -> Any:
    return [reply({"model": "m", "response": request.json["prompt"].upper(), "done": True})]


@pytest.fixture
def pair() -> Iterator[Pair]:
    """The servers that the workers ask."""
    with MockOllama() as one, MockOllama() as two:
        yield Pair(one, two)


@pytest.fixture
def environ(pair: Pair) -> dict[str, str]:
    """The environment of a program, in which `rows` can be imported."""
    paths = [str(Path(__file__).parent), os.environ.get("PYTHONPATH", "")]
    return {
        **os.environ,
        "SERVERS": json.dumps(pair.urls),
        "PYTHONPATH": os.pathsep.join(filter(None, paths)),
    }


@pytest.fixture
def program(environ: dict[str, str], tmp_path: Path) -> Callable[..., Any]:
    """Runs a program to its end in an interpreter of its own; returns what its last line says."""

    def run(text: str, *arguments: str) -> Any:
        # A file and not -c: what is spawned imports it again.
        file = tmp_path / "program.py"
        file.write_text(text)
        done = subprocess.run(
            [sys.executable, str(file), *arguments],
            cwd=tmp_path,
            env=environ,
            capture_output=True,
            text=True,
            timeout=PATIENCE,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return json.loads(done.stdout.splitlines()[-1])

    return run
