"""The server of the soak, in a process of its own: prints its URL, and serves until its standard input ends."""

from __future__ import annotations

import sys

from faults import answer

from ollama_sync.testing import MockOllama

if __name__ == "__main__":
    with MockOllama() as server:
        server.on("POST", "/api/chat", answer)
        print(server.url, flush=True)
        sys.stdin.read()
