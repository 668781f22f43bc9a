"""The verbs about the server itself, its account, and the web by way of ollama.com.

Each is a method of `Client`, which lists it in its body. Runs on the caller's thread, any one.
"""

from __future__ import annotations

from dataclasses import replace
from urllib.parse import urlencode

from ollama_sync._client import arguments, endpoints
from ollama_sync._client.verbs.caller import Caller
from ollama_sync.types import (
    BalanceResponse,
    CloudStatusResponse,
    RecommendationsResponse,
    StatusResponse,
    UsageResponse,
    VersionResponse,
    WebFetchResponse,
    WebSearchResponse,
    WhoamiResponse,
)


def version(self: Caller) -> VersionResponse:
    """Return the server's version.

    Blocks the caller's thread or greenlet.

    Raises:
        ConnectError: nothing listens there.
        ResponseError: the server refuses.
        WaitTimeout: see `Timeout`.

    Example:
        >>> from ollama_sync import Client
        >>> from ollama_sync.testing import MockOllama
        >>> with MockOllama() as server, Client(server.url) as client:
        ...     client.version().version
        '0.33.0'
    """
    return self._reply(endpoints.VERSION, None)


def status(self: Caller) -> CloudStatusResponse:
    """Return whether the server may use Ollama's cloud, and who decided that. Ollama 0.16.2 and newer.

    Blocks the caller's thread or greenlet.

    Raises:
        ConnectError, ResponseError, WaitTimeout: as `version`.

    Example:
        >>> from ollama_sync import Client
        >>> from ollama_sync.testing import MockOllama
        >>> with MockOllama() as server, Client(server.url) as client:
        ...     client.status().cloud.disabled
        False
    """
    return self._reply(endpoints.STATUS, None)


def whoami(self: Caller) -> WhoamiResponse:
    """Return the account of ollama.com that the server is signed in to. Ollama 0.12 and newer.

    Blocks the caller's thread or greenlet.

    Raises:
        ResponseError: not signed in (401, `signin_url` says where to), or ollama.com does not answer (503).
        ConnectError, WaitTimeout: as `version`.

    Example:
        >>> from ollama_sync import Client
        >>> from ollama_sync.testing import MockOllama
        >>> with MockOllama() as server, Client(server.url) as client:
        ...     name = client.whoami().name
        >>> isinstance(name, str)
        True
    """
    return self._reply(endpoints.WHOAMI, None)


def signout(self: Caller) -> StatusResponse:
    """Sign the server out of its account. Ollama 0.12.1 and newer.

    Blocks the caller's thread or greenlet.

    Returns:
        a status of "success".

    Raises:
        ResponseError: it is not signed in (401).
        ConnectError, WaitTimeout: as `version`.

    Example:
        >>> from ollama_sync import Client
        >>> from ollama_sync.testing import MockOllama
        >>> with MockOllama() as server, Client(server.url) as client:
        ...     client.signout().status
        'success'
    """
    return self._reply(endpoints.SIGNOUT, None)


def recommendations(self: Caller) -> RecommendationsResponse:
    """Return the models that Ollama recommends now. Experimental; Ollama 0.22.1 and newer.

    Blocks the caller's thread or greenlet.

    Raises:
        ConnectError, ResponseError, WaitTimeout: as `version`.

    Example:
        >>> from ollama_sync import Client
        >>> from ollama_sync.testing import MockOllama
        >>> with MockOllama() as server, Client(server.url) as client:
        ...     models = client.recommendations().recommendations
        >>> len(models) > 0
        True
    """
    return self._reply(endpoints.RECOMMENDATIONS, None)


def web_search(self: Caller, query: str, max_results: int = 3) -> WebSearchResponse:
    """Search the web by ollama.com, whatever the host of the client.

    Blocks the caller's thread or greenlet. The key is the client's where its host is https://ollama.com, and else
    OLLAMA_API_KEY, as it was when the client was made. A signed-in server searches without a key: `local_web_search`.

    Args:
        query: what to look for.
        max_results: 1 to 10.

    Returns:
        titles, addresses and texts, under `results`.

    Raises:
        RequestError: an argument is wrong, or there is no key. Nothing was sent.
        ConnectError, ResponseError, WaitTimeout: as `version`.

    Example:
        >>> import responses  # stands in for ollama.com here
        >>> from ollama_sync import Client
        >>> with responses.RequestsMock() as cloud, Client("https://ollama.com", api_key="...") as client:
        ...     said = cloud.post("https://ollama.com/api/web_search", json={"results": [{"url": "https://gevent.org"}]})
        ...     client.web_search("gevent").results[0].url
        'https://gevent.org'
    """
    return self._cloud_reply(endpoints.WEB_SEARCH, _search(query, max_results))


def web_fetch(self: Caller, url: str) -> WebFetchResponse:
    """Have ollama.com fetch a page, whatever the host of the client. The key is as in `web_search`.

    Blocks the caller's thread or greenlet.

    Args:
        url: of the page.

    Returns:
        its title, text and links.

    Raises:
        RequestError: an argument is wrong, or there is no key. Nothing was sent.
        ConnectError, ResponseError, WaitTimeout: as `version`.

    Example:
        >>> import responses  # stands in for ollama.com here
        >>> from ollama_sync import Client
        >>> with responses.RequestsMock() as cloud, Client("https://ollama.com", api_key="...") as client:
        ...     said = cloud.post("https://ollama.com/api/web_fetch", json={"title": "Ollama"})
        ...     client.web_fetch("https://ollama.com").title
        'Ollama'
    """
    return self._cloud_reply(
        endpoints.WEB_FETCH, arguments.body(url=arguments.required("url", url))
    )


def local_web_search(self: Caller, query: str, max_results: int = 3) -> WebSearchResponse:
    """Search the web by way of the client's own server, with its account and without a key.

    Blocks the caller's thread or greenlet. Experimental; Ollama 0.18 and newer.

    Args:
        query: what to look for.
        max_results: 1 to 10.

    Returns:
        titles, addresses and texts, under `results`.

    Raises:
        RequestError: an argument is wrong.
        ConnectError, ResponseError, WaitTimeout: as `version`.

    Example:
        >>> from ollama_sync import Client
        >>> from ollama_sync.testing import MockOllama
        >>> with MockOllama() as server, Client(server.url) as client:
        ...     results = client.local_web_search("ollama").results
        >>> len(results) > 0
        True
    """
    return self._reply(endpoints.LOCAL_WEB_SEARCH, _search(query, max_results))


def local_web_fetch(self: Caller, url: str) -> WebFetchResponse:
    """Have the client's own server fetch a page, with its account and without a key.

    Blocks the caller's thread or greenlet. Experimental; Ollama 0.18 and newer.

    Args:
        url: of the page.

    Returns:
        its title, text and links.

    Raises:
        RequestError: an argument is wrong.
        ConnectError, ResponseError, WaitTimeout: as `version`.

    Example:
        >>> from ollama_sync import Client
        >>> from ollama_sync.testing import MockOllama
        >>> with MockOllama() as server, Client(server.url) as client:
        ...     page = client.local_web_fetch("https://ollama.com")
        >>> isinstance(page.content, str)
        True
    """
    return self._reply(
        endpoints.LOCAL_WEB_FETCH, arguments.body(url=arguments.required("url", url))
    )


def balance(self: Caller) -> BalanceResponse:
    """Return what is left of the account's allowance at ollama.com. The key is as in `web_search`.

    Blocks the caller's thread or greenlet.

    Raises:
        RequestError: there is no key. Nothing was sent.
        ConnectError, ResponseError, WaitTimeout: as `version`.

    Example:
        >>> import responses  # stands in for ollama.com here
        >>> from ollama_sync import Client
        >>> with responses.RequestsMock() as cloud, Client("https://ollama.com", api_key="...") as client:
        ...     said = cloud.get("https://ollama.com/api/balance", json={"purchased": {"balance_usd": 2.5}})
        ...     client.balance().purchased.balance_usd
        2.5
    """
    return self._cloud_reply(endpoints.BALANCE, None)


def usage(self: Caller, range: str = "24h", scope: str = "self") -> UsageResponse:
    """Return what the account has used at ollama.com. The key is as in `web_search`.

    Blocks the caller's thread or greenlet.

    Args:
        range: "24h", "7d" or "30d".
        scope: "self" or "team".

    Raises:
        RequestError: an argument is wrong, or there is no key. Nothing was sent.
        ConnectError, ResponseError, WaitTimeout: as `version`.

    Example:
        >>> import responses  # stands in for ollama.com here
        >>> from ollama_sync import Client
        >>> with responses.RequestsMock() as cloud, Client("https://ollama.com", api_key="...") as client:
        ...     said = cloud.get("https://ollama.com/api/usage", json={"totals": {"requests": 3}})
        ...     client.usage("7d").totals["requests"]
        3
    """
    query = {
        "range": arguments.required("range", range),
        "scope": arguments.required("scope", scope),
    }
    endpoint = replace(endpoints.USAGE, path=f"{endpoints.USAGE.path}?{urlencode(query)}")
    return self._cloud_reply(endpoint, None)


def _search(query: object, max_results: object) -> bytes:
    return arguments.body(
        query=arguments.required("query", query),
        max_results=arguments.whole("max_results", max_results),
    )
