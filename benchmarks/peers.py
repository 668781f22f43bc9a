"""The peers: each is a function of the server's port that makes one client and returns its `chat`.

`chat(model)` opens a streaming chat and returns an iterator of lists of text, so that every peer does the same work in a
scenario. What a peer needs is imported in its function only, so that none pays for another. The official client and httpx
get a pool without limit: with the default, 100 connections, the 101st stream waits for another to end.
"""

from __future__ import annotations

import json
import socket
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

Chat = Callable[[str], Iterator[list[str]]]
Peer = Callable[[int], Chat]

# Names, as the tables print them.
US = "ollama_sync"
PARTS = "ollama_sync, part by part"
OFFICIAL = "ollama"
OFFICIAL_ASYNC = "ollama, async"
OPENAI = "openai"
REQUESTS = "requests + ujson"
HTTPX = "httpx + ujson"
SOCKET = "socket + orjson"

MESSAGES = [{"role": "user", "content": "hi"}]
POOL = 2000


def ours(port: int) -> Any:
    """Return a client of this SDK."""
    import ollama_sync

    return ollama_sync.Client(f"127.0.0.1:{port}")


def official(port: int, kind: str = "Client") -> Any:
    """Return a client of the official package."""
    import httpx
    import ollama

    return getattr(ollama, kind)(f"http://127.0.0.1:{port}", limits=httpx.Limits())


def requests_session() -> Any:
    """Return a session whose pool is large enough for a thousand threads."""
    import requests

    session = requests.Session()
    session.mount("http://", requests.adapters.HTTPAdapter(pool_maxsize=POOL))
    return session


def _ours_tokens(port: int) -> Chat:
    client = ours(port)
    return lambda model: client.chat(model, MESSAGES, stream=True).tokens()


def _ours_parts(port: int) -> Chat:
    """As a program that was written for the official client uses it."""
    client = ours(port)

    def chat(model: str) -> Iterator[list[str]]:
        for part in client.chat(model, MESSAGES, stream=True):
            yield [part["message"]["content"]]

    return chat


def _official(port: int) -> Chat:
    client = official(port)

    def chat(model: str) -> Iterator[list[str]]:
        for part in client.chat(model, MESSAGES, stream=True):
            yield [part["message"]["content"]]

    return chat


def official_async(port: int) -> Callable[[str], AsyncIterator[list[str]]]:
    """Return the asynchronous chat of the official package; for `many` and `firehose`, which know what to do with it."""
    client = official(port, "AsyncClient")

    async def chat(model: str) -> AsyncIterator[list[str]]:
        async for part in await client.chat(model, MESSAGES, stream=True):
            yield [part["message"]["content"]]

    return chat


def _openai(port: int) -> Chat:
    import openai

    client = openai.OpenAI(base_url=f"http://127.0.0.1:{port}/v1", api_key="ollama")

    def chat(model: str) -> Iterator[list[str]]:
        for part in client.chat.completions.create(model=model, messages=MESSAGES, stream=True):
            yield [part.choices[0].delta.content]

    return chat


def _requests(port: int) -> Chat:
    import ujson

    session, url = requests_session(), f"http://127.0.0.1:{port}/api/chat"

    def chat(model: str) -> Iterator[list[str]]:
        body = {"model": model, "messages": MESSAGES, "stream": True}
        with session.post(url, json=body, stream=True) as response:
            for line in response.iter_lines():
                yield [ujson.loads(line)["message"]["content"]]

    return chat


def _httpx(port: int) -> Chat:
    import httpx
    import ujson

    client = httpx.Client(limits=httpx.Limits(), timeout=None)
    url = f"http://127.0.0.1:{port}/api/chat"

    def chat(model: str) -> Iterator[list[str]]:
        body = {"model": model, "messages": MESSAGES, "stream": True}
        with client.stream("POST", url, json=body) as response:
            for line in response.iter_lines():
                yield [ujson.loads(line)["message"]["content"]]

    return chat


def _socket(port: int) -> Chat:
    """What no client can beat by much. It trusts one line per chunk, checks nothing, and connects for each chat."""
    import orjson

    loads = orjson.loads

    def chat(model: str) -> Iterator[list[str]]:
        body = json.dumps({"model": model, "messages": MESSAGES, "stream": True}).encode()
        head = b"POST /api/chat HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n" % len(body)
        with socket.create_connection(("127.0.0.1", port)) as sock:
            sock.sendall(head + body)
            rest = sock.recv(65536).partition(b"\r\n\r\n")[2]
            while True:
                lines = rest.split(b"\n")
                rest = lines.pop()
                parts = [loads(line) for line in lines if line[:1] == b"{"]
                if parts:
                    yield [text for part in parts if (text := part["message"]["content"])]
                    if parts[-1]["done"]:
                        return
                rest += sock.recv(65536)

    return chat


PEERS: dict[str, Peer] = {
    US: _ours_tokens,
    PARTS: _ours_parts,
    OFFICIAL: _official,
    OPENAI: _openai,
    REQUESTS: _requests,
    HTTPX: _httpx,
    SOCKET: _socket,
}
