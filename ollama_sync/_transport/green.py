"""Connections of urllib3 on gevent's sockets, by urllib3's own seams. Nothing global is patched.

The seams: `_new_conn` makes the socket, `response_class` reads the head, and the context of a TLS connection wraps its socket.

Runs on the hub only, except `make_tls_context`, which reads files and runs on the caller's thread.
"""

from __future__ import annotations

import http.client
import os
import socket as native_socket
import ssl
from typing import TYPE_CHECKING, Any

import gevent.monkey
import gevent.socket
import gevent.ssl
import urllib3.connection
from requests.utils import DEFAULT_CA_BUNDLE_PATH
from urllib3.exceptions import NameResolutionError, NewConnectionError

from ollama_sync._process import Process, this_process
from ollama_sync._transport.connect import connect
from ollama_sync._transport.response import GreenResponse, hang_up
from ollama_sync._transport.wire import PlainSocket, TlsSocket, current_progress

if TYPE_CHECKING:
    from urllib3.connection import HTTPConnection, HTTPSConnection
else:

    def _own_class(module: str, name: str, base: type) -> type:
        """Return the class of that name which derives from `base`, also where a cassette or a mock stands in its place just now.

        Else what is derived from it here would be derived from that, for the rest of the process.
        """
        for cls in type.__subclasses__(base):
            if (cls.__module__, cls.__name__) == (module, name):
                return cls
        raise ImportError(f"{module}.{name} is not there; this needs urllib3 2")

    _plain = _own_class("http.client", "HTTPConnection", object)
    HTTPConnection = _own_class(urllib3.connection.__name__, "HTTPConnection", _plain)
    HTTPSConnection = _own_class(urllib3.connection.__name__, "HTTPSConnection", HTTPConnection)

# Bytes of a body that are copied behind their head, so that both go by one system call.
_MOST_JOINED = 65536


class _Green(HTTPConnection):
    """What the connections below have in common: gevent's socket, a report of progress, and an end that the peer sees."""

    _is_handing_over = False
    _has_served = False  # a request, since it was connected
    _is_cut = False  # the latest request could not be written whole
    _head: list[bytes] | None = None  # what is held back of a request while that is written
    _latest: http.client.HTTPResponse | None = None
    _connected_by: Process | None = None

    def response_class(self, *args: Any, **kwargs: Any) -> http.client.HTTPResponse:  # type: ignore[override] # http.client only calls it
        """Make http.client's response, and remember it while it is not yet handed over."""
        latest = self._latest = GreenResponse(*args, **kwargs)
        return latest

    def _new_conn(self) -> Any:
        try:
            return connect(self._dns_host, self.port, self.socket_options or ())
        except (native_socket.gaierror, UnicodeError) as error:  # a name that cannot be encoded
            raise NameResolutionError(self.host, self, error) from error  # type: ignore[arg-type] # only shown
        except OSError as error:
            raise NewConnectionError(self, f"cannot connect: {error}") from error
        except MemoryError:
            raise
        # An audit hook, or what a test tool put in the place of the socket.
        except Exception as error:
            raise NewConnectionError(self, f"a connection is forbidden: {error}") from error

    def connect(self) -> None:
        self._connected_by = this_process()
        try:
            super().connect()
        finally:
            # Of a proxy's answer to CONNECT: an older http.client leaves it open where it cannot be read.
            if self._latest is not None:
                self._latest.close()
                self._latest = None
        self._has_served = self._is_cut = False
        progress = current_progress.get()
        if progress is not None:
            progress.connected(self.sock, kept=False)

    def putrequest(self, *args: Any, **kwargs: Any) -> None:
        # By now there also is one that was made for this request, if it goes over TLS.
        progress = current_progress.get()
        if self.sock is not None and self._has_served and progress is not None:
            progress.connected(self.sock, kept=True)
        super().putrequest(*args, **kwargs)

    def request(self, *args: Any, **kwargs: Any) -> None:
        self._head = []
        try:
            super().request(*args, **kwargs)
            head, self._head = self._head, None
            if head:
                self.send(head[0])
        finally:
            self._head = None

    def send(self, data: Any) -> None:
        head = self._head
        if head is not None:
            if (
                not head
            ):  # of the request: it goes with the beginning of the body, by one system call
                head.append(data)
                return
            self._head = None
            if isinstance(data, bytes) and len(data) <= _MOST_JOINED:
                data = head[0] + data
            else:
                self.send(head[0])
        try:
            super().send(data)
        except OSError:
            self._is_cut = True
            raise

    def getresponse(self) -> Any:
        # urllib3 asks for the response when it has written the whole request; also when it could not, for the server may
        # have answered before it closed.
        progress = current_progress.get()
        if not self._is_cut and progress is not None:
            progress.sent()
        self._has_served = True
        self._is_handing_over = True
        sock = self.sock
        try:
            return super().getresponse()
        except BaseException:
            # urllib3 refuses some heads when the socket is the response's already: then nobody else would close it.
            hang_up(sock)
            if self._latest is not None:
                self._latest.close()
            raise
        finally:
            self._latest = None
            self._is_handing_over = False

    def close(self) -> None:
        # Whatever fails, urllib3 closes here; later nobody can hang up any more. Where a reply ends by its connection,
        # http.client closes as soon as it has the headers: the response then reads on from the same socket.
        # A forked child closes its copies when it ends: the parent, whose connection it is, may be using it.
        if not self._is_handing_over and self._connected_by == this_process():
            hang_up(self.sock)
        super().close()


class GreenHTTPConnection(_Green):
    """Plain HTTP."""


class GreenHTTPSConnection(_Green, HTTPSConnection):
    """HTTP over TLS, also through a CONNECT proxy. Its context must be one of `make_tls_context`."""

    def connect(self) -> None:
        """Connect and shake hands."""
        super().connect()
        # The context checked what it was told to. urllib3 would now warn of verify=False, on the hub's thread: that names
        # no line of the caller's, and where warnings are errors it would end the call.
        self.is_verified = True


class UnixConnection(_Green):
    """HTTP over a Unix socket; the host name of the URL is for the `Host` header only.

    Args:
        path: of the socket.
    """

    def __init__(self, path: str, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._path = path

    def _new_conn(self) -> Any:
        sock = PlainSocket(native_socket.AF_UNIX, native_socket.SOCK_STREAM)
        try:
            sock.connect(self._path)
        except OSError as error:
            sock.close()
            raise NewConnectionError(
                self, f"cannot connect to the socket {self._path}: {error}"
            ) from error
        except BaseException:
            sock.close()
            raise
        return sock


def make_tls_context(
    verify: bool | str | ssl.SSLContext, cert: str | tuple[str, str] | None
) -> Any:
    """Return a TLS context whose sockets are gevent's.

    Reads certificate files (20 to 30 ms for a bundle), so it belongs on the caller's thread, once per client.

    Args:
        verify: true for the system's bundle of requests, false for no check, the path of a bundle or folder, or a
            context of the standard library, which is used as it is and not changed.
        cert: the path of a client certificate with its key, or the paths of both.

    Raises:
        OSError: a file is missing or is no certificate (ssl.SSLError).
    """
    # The original, since `ssl.SSLContext` is gevent's in a patched process: a context may be older than the patch.
    if isinstance(verify, gevent.monkey.get_original("ssl", "SSLContext")):
        return _TlsContext(verify)
    # Not `gevent.ssl.create_default_context`: in a process that is not patched it makes the standard library's.
    context = gevent.ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    if verify is False:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    else:
        bundle: Any = DEFAULT_CA_BUNDLE_PATH if verify is True else verify
        where = {"capath" if os.path.isdir(bundle) else "cafile": bundle}
        context.load_verify_locations(**where)
    if cert is not None:
        context.load_cert_chain(*((cert,) if isinstance(cert, str) else cert))
    return _TlsContext(context)


class _TlsContext:
    """A context, perhaps the user's own, that wraps sockets gevent's way without being changed: other threads may use it.

    urllib3 sets `verify_mode` to what it already is, names the protocols that it speaks, and reads the rest.
    """

    def __init__(self, context: ssl.SSLContext) -> None:
        self.__dict__["_context"] = context

    def __getattr__(self, name: str) -> Any:
        return getattr(self._context, name)

    def __setattr__(self, name: str, value: object) -> None:
        if getattr(self._context, name) != value:
            raise AttributeError(f"the TLS context given as verify= would be changed: {name}")

    def set_alpn_protocols(self, protocols: list[str]) -> None:
        """Do nothing: the user's own choice stays."""

    def wrap_socket(self, sock: Any, **options: Any) -> Any:
        """Return a TLS socket of gevent's over `sock`, after the handshake."""
        wrapped = TlsSocket(
            sock=sock, _context=self._context, do_handshake_on_connect=False, **options
        )
        try:
            wrapped.do_handshake()
        except BaseException:  # a killed greenlet, too: gevent's own closes at errors only
            wrapped.close()
            raise
        return wrapped
