"""Replies of the web verbs: search and fetch.

Plain data, on any thread.
"""

from __future__ import annotations

from collections.abc import Sequence

from ollama_sync.types._view import View

__all__ = ["WebFetchResponse", "WebSearchResponse", "WebSearchResult"]


class WebSearchResult(View):
    """One page that was found.

    Attributes:
        content: the part of its text that fits.
        title: its title.
        url: its address.

    Example:
        >>> WebSearchResult(title="Ollama", url="https://ollama.com").url
        'https://ollama.com'
    """

    content: str | None = None
    title: str | None = None
    url: str | None = None


class WebSearchResponse(View):
    """Reply of web_search.

    Attributes:
        results: the pages, best first.

    Example:
        >>> reply = WebSearchResponse(results=[{"title": "Ollama", "url": "https://ollama.com"}])
        >>> [result.title for result in reply.results]
        ['Ollama']
    """

    results: Sequence[WebSearchResult]


class WebFetchResponse(View):
    """Reply of web_fetch.

    Attributes:
        title: the page's title.
        content: its text.
        links: addresses that it links to.

    Example:
        >>> reply = WebFetchResponse(title="Ollama", content="Run models.", links=["https://ollama.com/download"])
        >>> reply.links[0]
        'https://ollama.com/download'
    """

    title: str | None = None
    content: str | None = None
    links: Sequence[str] | None = None
