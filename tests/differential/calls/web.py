"""Calls that go to ollama.com: web_search and web_fetch. Data only."""

from __future__ import annotations

FOUND = {
    "results": [
        {"title": "gevent", "url": "https://www.gevent.org/", "content": "What is gevent?"},
        {"title": None, "url": "https://example.com/"},
    ]
}
PAGE = {"title": "Ollama", "content": "text", "links": ["https://ollama.com/models"]}

CALLS = {
    "search": (FOUND, lambda _, client: client.web_search("gevent")),
    "search by position": (FOUND, lambda _, client: client.web_search("gevent", 5)),
    "search by name": (FOUND, lambda _, client: client.web_search(query="a", max_results=1)),
    "search in vain": ({"results": []}, lambda _, client: client.web_search("qzx")),
    "search refused": ((401, {"error": "unauthorized"}), lambda _, client: client.web_search("a")),
    "search too much": (
        (429, {"error": "too many requests"}),
        lambda _, client: client.web_search("a", max_results=10),
    ),
    "fetch": (PAGE, lambda _, client: client.web_fetch("https://ollama.com")),
    "fetch by name": (PAGE, lambda _, client: client.web_fetch(url="ollama.com")),
    "fetch without links": ({"content": "x"}, lambda _, client: client.web_fetch("a.example")),
    "fetch refused": (
        (500, {"error": "no such page"}),
        lambda _, client: client.web_fetch("b.example"),
    ),
}
