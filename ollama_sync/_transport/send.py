"""Sends one prepared request and turns every outcome into a `Reply` or an error of the SDK's tree.

Here errors are born, so here they are mapped: above, nobody meets requests, urllib3 or OSError.

Runs on the hub, in the greenlet of the call.
"""

from __future__ import annotations

import errno
import ipaddress
import socket as native_socket
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from http.client import BadStatusLine, HTTPException, RemoteDisconnected
from typing import Any
from urllib.parse import urljoin, urlsplit

import requests
from urllib3.exceptions import HTTPError

from ollama_sync._config import keeps_key
from ollama_sync._transport.body import MOST_READ, Body, body_of
from ollama_sync._transport.response import hang_up
from ollama_sync._wire import BadFraming, loads, said
from ollama_sync.errors import ConnectError, OllamaError, ResponseError, StreamBroken

Send = Callable[[requests.PreparedRequest], requests.Response]

_MAX_REDIRECTS = 5

# What describes the message, and may go to another place with it. Everything else in a request is a key or the user's own.
_OF_THE_MESSAGE = frozenset(
    (
        "accept",
        "accept-encoding",
        "content-length",
        "content-type",
        "transfer-encoding",
        "user-agent",
    )
)

# Bytes; how much of an error's body is read, and characters of it that go into a message.
_MAX_ERROR_BODY = 65536
_MAX_ERROR_TEXT = 2000
_MAX_TITLE = 200


class Reply:
    """A server's answer whose headers have come: status, headers, and a body still to be read.

    Args:
        response: as requests made it.
        sock: the socket it comes from; None when a mock answered.
        tried: the request, as "POST http://host/path".
    """

    def __init__(self, response: requests.Response, sock: Any, tried: str) -> None:
        self.status: int = response.status_code
        self.headers: Mapping[str, str] = response.headers
        self._response = response
        self._sock = sock
        self._tried = tried
        self._body: Body = body_of(response.raw, sock)

    def read(self, most: int = MOST_READ) -> bytes:
        """Return what has come of the body, at most `most` bytes, waiting for at least one; b"" at the end.

        Raises:
            StreamBroken: the body cannot be read to its end.
        """
        # Not a context manager, which would cost as much as the rest of a read.
        try:
            return self._body.read(most)
        except _CUT_SHORT as error:
            raise _broken_stream(error, self._tried) from _root(error)

    def close(self) -> None:
        """Close the connection, unless the body was read to its end. Never blocks; may be called again."""
        self._body.close()
        # With the last bytes of the body the connection went back to its pool: by now it may serve another call.
        if self._response.raw.connection is not None:
            hang_up(self._sock)
        self._response.close()


def send_request(
    send: Send,
    request: requests.PreparedRequest,
    sock_of: Callable[[], Any],
    describe: Callable[[requests.PreparedRequest], str],
) -> Reply:
    """Send `request`, follow redirects, and return the reply of a server that says yes.

    Args:
        send: sends one prepared request, without following anything.
        request: its method and body stay the same at each redirect.
        sock_of: returns the socket of the latest connection, None when there was none.
        describe: names a request in errors.

    Raises:
        ConnectError: there is no connection, or it was lost before the reply began.
        ResponseError: the server says no, or redirects to where we do not follow.
    """
    for _ in range(_MAX_REDIRECTS + 1):
        tried = describe(request)
        with _no_connection(tried):
            response = send(request)
        reply = Reply(response, sock_of(), tried)
        try:
            if 200 <= reply.status < 300:
                return reply
            if not response.is_redirect:
                raise _refusal(reply, tried)
            request = _redirected(request, response)
        except BaseException:
            reply.close()
            raise
        reply.close()
    raise ResponseError(
        f"more than {_MAX_REDIRECTS} redirects, the last to {request.url}", response.status_code
    )


def _redirected(
    request: requests.PreparedRequest, response: requests.Response
) -> requests.PreparedRequest:
    """Return the request for the place that `response` names, without the headers that were meant for the first one only.

    A browser would turn a POST into a GET at some redirects. An API call is either repeated as it is or not at all.
    """
    assert request.url is not None
    here = request.url
    following = request.copy()
    try:
        following.prepare_url(urljoin(here, response.headers["location"]), None)
    except ValueError as error:
        raise ResponseError(
            f"redirected from {here} to a place that is no URL: {error}", response.status_code
        ) from error
    # As it will be read when it is sent, and not as the server wrote it; without a password, which would only be shown.
    parts = urlsplit(str(following.url))
    target = following.url = parts._replace(netloc=parts.netloc.rpartition("@")[2]).geturl()
    if urlsplit(target).scheme not in ("http", "https"):
        raise ResponseError(
            f"redirected from {here} to {target}: not followed", response.status_code
        )
    if urlsplit(here).scheme == "https" and urlsplit(target).scheme == "http":
        raise ResponseError(
            f"redirected from {here} to {target}: not followed, for it would send the prompt without TLS",
            response.status_code,
        )
    if _is_within(target) and not _is_within(here):
        raise ResponseError(
            f"redirected from {here} to {target}: not followed, for a server elsewhere may not send a request "
            "to this machine or its link",
            response.status_code,
        )
    following.headers.pop("Host", None)
    if not keeps_key(here, target):
        for name in list(following.headers):
            if name.lower() not in _OF_THE_MESSAGE:
                del following.headers[name]
    return following


def _is_within(url: str) -> bool:
    """Whether a URL leads to this machine, or to its link, where clouds answer for a machine's own secrets."""
    host = (urlsplit(url).hostname or "").rstrip(".")
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        address = ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        try:
            # The forms that the C library takes for an address, too: 2130706433, 0x7f.1, 127.1.
            address = ipaddress.IPv4Address(native_socket.inet_aton(host))
        except OSError:
            return False
    if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped is not None:
        address = address.ipv4_mapped
    return address.is_loopback or address.is_link_local or address.is_unspecified


def _refusal(reply: Reply, tried: str) -> ResponseError:
    body = bytearray()
    try:
        # Behind a 1xx another head may follow: with nothing read, the connection is closed and not kept for the next call.
        while reply.status >= 200 and len(body) < _MAX_ERROR_BODY and (data := reply.read()):
            body += data
    except StreamBroken:
        pass  # the status and what came of the body say more than that the rest is missing
    text = body[:_MAX_ERROR_BODY].decode("utf-8", "replace").strip()
    signin_url = None
    try:
        parsed = loads(bytes(body))
    except ValueError:
        error = _page_title(text) if text.startswith("<") else text
    else:
        members = parsed if isinstance(parsed, dict) else {}
        error = said(members.get("error")) or text
        signin_url = said(members.get("signin_url")) or None
    if not error:
        error = f"{tried}: the server gave no reason"
    return ResponseError(
        error[:_MAX_ERROR_TEXT],
        reply.status,
        headers=reply.headers,
        signin_url=signin_url,
        hint=_hint(reply.status, text, tried),
    )


def _page_title(page: str) -> str:
    # Not by one regular expression, which would start anew at each of many beginnings of a title.
    begin = page.lower().find("<title")
    begin = page.find(">", begin) + 1 if begin >= 0 else 0
    title = page[begin : begin + _MAX_TITLE].partition("<")[0] if begin else ""
    import html  # a table of some thousand names, for a page that is no answer of Ollama's

    return f"an HTML page instead of an answer: {html.unescape(title).strip() or 'no title'}"


def _hint(status: int, text: str, tried: str) -> str | None:
    if status == 404 and text.startswith("404 page not found"):
        return f"no such route: {tried}; is the path prefix of the host right?"
    if status == 404 and "not found" in text and "model" in text:
        return "pull it first, or look at list() for what is there"
    if status == 403 and not text:
        return f"{tried}: a server on loopback refuses the Host header of a proxy in front of it"
    if status == 503:
        return "the server is overloaded; try again later"
    return None


# What OpenSSL says of an answer that is no TLS.
_NO_TLS_AT_ALL = ("WRONG_VERSION_NUMBER", "HTTP_REQUEST", "RECORD_LAYER_FAILURE")


@contextmanager
def _no_connection(tried: str) -> Iterator[None]:
    """Map what can go wrong until the headers of the reply have come."""
    try:
        yield
    except OllamaError:
        raise
    except requests.exceptions.SSLError as error:
        root = _root(error)
        if any(name in str(root) for name in _NO_TLS_AT_ALL):
            advice = "the server seems to speak plain http there; give its host as http://..."
        else:
            advice = "give a private authority's certificate as verify='path'"
        raise ConnectError(f"{tried}: no TLS connection: {_text(root)}; {advice}") from root
    except requests.exceptions.InvalidSchema as error:
        raise ConnectError(
            f"{tried}: {error}; proxy='' leaves out what the environment says"
        ) from error
    except requests.exceptions.ProxyError as error:
        root = _root(error)
        raise ConnectError(f"{tried}: the proxy did not connect: {_text(root)}") from root
    except (requests.exceptions.RequestException, HTTPError, OSError) as error:
        root = _root(error)
        if isinstance(root, OSError) and root.errno in (errno.EMFILE, errno.ENFILE):
            raise ConnectError(
                f"{tried}: {_text(root)}: this process or the system has no file descriptor left for a connection; "
                "close streams and clients, or raise the limit (ulimit -n)"
            ) from root
        if not isinstance(root, (OSError, HTTPError, HTTPException, UnicodeError)):
            raise ConnectError(
                f"{tried}: {type(root).__name__}: {_text(root)}; something in this process does not let it connect"
            ) from root
        raise ConnectError(
            f"{tried}: {_text(root)}; is Ollama running there? "
            "Another place is given as host= or OLLAMA_HOST"
        ) from root


# What can go wrong while the body is read.
_CUT_SHORT = (
    StreamBroken,
    BadFraming,
    requests.exceptions.RequestException,
    HTTPError,
    OSError,
    ValueError,
)


def _broken_stream(error: Exception, tried: str) -> StreamBroken:
    if isinstance(error, StreamBroken):
        return StreamBroken(f"{tried}: {error}")
    if isinstance(error, BadFraming):
        return StreamBroken(f"{tried}: the reply is not valid HTTP: {error}")
    return StreamBroken(f"{tried}: the reply was cut short: {_text(_root(error))}")


def _root(error: BaseException) -> BaseException:
    """Return the innermost cause. The layers of requests and urllib3 around it would fill a screen, and say it again."""
    for inner in (getattr(error, "reason", None), *error.args, error.__cause__):
        if isinstance(inner, BaseException) and inner is not error:
            return _root(inner)
    return error


def _text(error: BaseException) -> str:
    if isinstance(error, BadStatusLine) and not isinstance(error, RemoteDisconnected):
        return f"what answers there is not HTTP: {str(error)[:80]!r}"
    strerror = error.strerror if isinstance(error, OSError) else None
    return strerror or str(error).strip() or type(error).__name__
