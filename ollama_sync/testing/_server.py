"""`MockOllama`: an HTTP server for tests and demonstrations, in one native thread of the same process.

The public methods run on any thread or greenlet, patched or not; what answers requests runs on the server's own hub
thread and may not block it. Who owns what:

    hub thread writes      _received, _errors, _disconnects, _changed, _http
    the test writes        _scripts (the hub takes scripts out, and changes the library), _hub
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterable, Mapping
from typing import Any

import gevent
import gevent.ssl
from gevent.event import Event

from ollama_sync._hub import Hub
from ollama_sync.errors import UsageError
from ollama_sync.testing import _expected
from ollama_sync.testing._connection import ClientGone, Connection
from ollama_sync.testing._fake import Failures, FakeModel
from ollama_sync.testing._http import HttpServer, listen
from ollama_sync.testing._library import Library
from ollama_sync.testing._request import Request
from ollama_sync.testing._routes import Routes
from ollama_sync.testing._script import reply
from ollama_sync.testing._scripts import Scripts
from ollama_sync.testing._steps import Handler, Script, Step


class MockOllama:
    """A server that speaks as Ollama does, or as your script says.

    Without scripts it answers every native route with plausible data: chat and generate with a fake stream, and what manages
    models from a library in memory, so that what was pulled or created is listed, shown and deleted. It holds thousands of
    streams at once.

    Args:
        chunks: parts with text in a fake stream; the final part comes on top.
        delay: seconds between two parts, by a schedule that does not drift; also of a pull, push or create.
        text: what is said in place of `chunks` times "A", one word a part; see `SAMPLE_TEXT`. A model with a text also calls a
            tool when a chat gives it tools, and says afterwards what the tool has returned.
        models: the names of the models that exist at first; others are answered 404. None: every name exists, though one
            only is listed.
        load: seconds that it takes to load a model that is not in memory.
        fail: the share of the requests for an answer or an embedding that fail, from 0 to 1: evenly spread, and in turn by
            status 503, by a connection that is cut off, and by an error in the middle of the answer.
        strict: whether these are faults: a script that was never asked for, or whose path Ollama does not have; a request to such
            a path; and, once there is a script, a request for an answer or an embedding for which nothing was said.
        host: address to listen on.
        port: TCP port; 0 takes a free one, see `port` and `url` after the start.
        unix: path of a Unix socket to listen on, instead of TCP. It is removed at the end.
        certfile: PEM file of a certificate: the server speaks TLS.
        keyfile: PEM file of its key; None when the certificate's file holds it.

    Example:
        >>> from urllib.request import urlopen
        >>> with MockOllama() as server, urlopen(server.url) as answer:
        ...     answer.read()
        b'Ollama is running'
    """

    def __init__(
        self,
        *,
        chunks: int = 1000,
        delay: float = 0.003,
        text: str | None = None,
        models: Iterable[str] | None = None,
        load: float = 0.0,
        fail: float = 0.0,
        strict: bool = False,
        host: str = "127.0.0.1",
        port: int = 0,
        unix: str | os.PathLike[str] | None = None,
        certfile: str | os.PathLike[str] | None = None,
        keyfile: str | os.PathLike[str] | None = None,
    ) -> None:
        self._fake = FakeModel(chunks, delay, text, load)
        self._fail = fail
        self._models = None if models is None else tuple(models)
        self._scripts = Scripts(self._routes_of_its_own(), strict=strict)
        self._host = host
        self._port = port
        self._unix = None if unix is None else os.fspath(unix)
        self._certificate = None if certfile is None else (certfile, keyfile)
        self._hub: Hub | None = None
        self._http: HttpServer | None = None
        self._received: list[Request] = []
        self._errors: list[BaseException] = []
        self._disconnects = 0
        self._changed = Event()  # set, and replaced, when `_disconnects` grows or the server stops

    def __repr__(self) -> str:
        state = self.url if self._hub is not None else "stopped"
        return f"<MockOllama {state}, {len(self._received)} requests, {self._disconnects} cut>"

    # Where it is.

    @property
    def host(self) -> str:
        """The address to connect to."""
        return self._host

    @property
    def port(self) -> int:
        """The TCP port; 0 on a Unix socket, or before the start when none was asked for."""
        http = self._http
        return self._port if http is None or self._unix is not None else int(http.address[1])

    @property
    def url(self) -> str:
        """What to give to a client: `http://127.0.0.1:PORT`, `https://…`, or `unix:///path`."""
        if self._unix is not None:
            return f"unix://{self._unix}"
        host = f"[{self._host}]" if ":" in self._host else self._host
        return f"{'https' if self._certificate else 'http'}://{host}:{self.port}"

    # What has happened.

    @property
    def requests(self) -> tuple[Request, ...]:
        """All requests since the start or the last `reset`, in the order in which they were complete."""
        return tuple(self._received)

    @property
    def connections(self) -> int:
        """How many connections were accepted since the start."""
        return 0 if self._http is None else self._http.connections

    @property
    def disconnects(self) -> int:
        """How many requests or replies were cut by the client before they were complete."""
        return self._disconnects

    @property
    def errors(self) -> tuple[BaseException, ...]:
        """What handlers and steps have raised, in order; `check` and `stop` raise the first."""
        return tuple(self._errors)

    def check(self) -> None:
        """Raise what has gone wrong so far, once. The end of the `with` block does it as well, unless the block raised.

        Raises:
            NotAsExpected: in strict mode, what was asked is not what the test has said.
            BaseException: the first error that a handler or a step has raised.
        """
        __tracebackhide__ = True
        self._raise_first_error()
        complaint = self._scripts.complaint(self._received)
        if complaint is not None:
            raise _expected.NotAsExpected(complaint)

    def assert_asked(
        self,
        path: str = "/api/chat",
        *,
        times: int | None = None,
        headers: Mapping[str, Any] | None = None,
        **body: Any,
    ) -> Request:
        """Fail unless a request like this has come, and say how the nearest one differs.

        Args:
            path: where it was asked.
            times: how many there are; None for any number above 0.
            headers: what they must be; others may be there.
            body: members of the JSON body, as `messages=[…]` or `options={…}`; others may be there. What compares as equal fits,
                also `unittest.mock.ANY`.

        Returns:
            The last of them.

        Raises:
            NotAsExpected: there is none, or there are more or fewer than `times`.

        Example:
            >>> from ollama_sync import Client
            >>> with MockOllama(chunks=3, delay=0) as server, Client(server.url) as client:
            ...     reply = client.chat("llama3.2", [{"role": "user", "content": "Hi"}], options={"seed": 1})
            ...     request = server.assert_asked(messages=[{"role": "user", "content": "Hi"}])
            ...     try:
            ...         server.assert_asked(options={"seed": 2}, stream=False)
            ...     except AssertionError as error:
            ...         print(error)
            POST /api/chat was not asked in this way:
              body.options.seed: expected 2, asked 1
        """
        __tracebackhide__ = True
        return _expected.assert_asked(self._received, path, times, headers or {}, body)

    def wait_disconnect(self, n: int = 1, timeout: float = 5.0) -> None:
        """Wait until the client has cut `n` requests or replies. Blocks the caller's thread, or only its greenlet.

        Args:
            n: how many, counted as `disconnects` is.
            timeout: seconds.

        Raises:
            TimeoutError: fewer were cut in time.
        """
        if self._disconnects < n and self._hub is not None:
            self._hub.call(self._await_disconnects, n, timeout)
        if self._disconnects < n:
            raise TimeoutError(
                f"{self._disconnects} of {n} requests were cut by the client within {timeout} s"
            )

    # What it says.

    @property
    def strict(self) -> bool:
        """Whether what the test has not said is a fault; see above. May be set at any time."""
        return self._scripts.strict

    @strict.setter
    def strict(self, value: bool) -> None:
        self._scripts.strict = value

    def on(self, method: str, path: str, handler: Handler | None) -> None:
        """Answer every request of that method and path by `handler`.

        Args:
            method: "POST".
            path: the whole path, without a query; a `*` at its end stands for anything.
            handler: a script, a step, or a function that takes the `Request` and returns one, on the server's thread: it may wait by
                gates and by gevent, and may not block. None for what the server says by itself.
        """
        self._scripts.on(method, path, handler)

    def script(self, steps: Script | Step, path: str = "/api/chat") -> None:
        """Answer the next request to `path` by these steps, or this one, once. Scripts for one path are used up in order.

        Raises:
            UsageError: these are no steps; or the server is strict, and Ollama has no such path.
        """
        self._scripts.add(steps, path)

    def usual(self, request: Request) -> Script:
        """Return what the server answers by itself: a handler for `on`, or what a handler of yours may fall back on."""
        return self._scripts.own.answer(request)

    def reset(self) -> None:
        """Forget routes, scripts, requests, errors, the count of disconnects, and what was done to models.

        The replies that run go on.
        """
        self._scripts.reset(self._routes_of_its_own())
        self._received.clear()
        self._errors.clear()
        self._disconnects = 0

    # Its life.

    def start(self) -> MockOllama:
        """Start the thread and listen. Returns the server, which can be reached when this returns.

        Raises:
            UsageError: it runs already.
            OSError: the address is taken, or the certificate cannot be read.
        """
        if self._hub is not None:
            raise UsageError(f"start: {self!r} runs already; stop it first, or make another one")
        hub = Hub("mock ollama")
        try:
            self._http = hub.call(self._listen, hub)
        except BaseException:
            hub.stop()
            raise
        self._hub = hub
        return self

    def stop(self) -> None:
        """Close every connection and end the thread. Idempotent; blocks the thread for a fraction of a second.

        Raises:
            BaseException: the first error that a handler or a step has raised.
        """
        hub, self._hub = self._hub, None
        if hub is not None:
            try:
                hub.call(self._shut)
            finally:
                hub.stop()
        self._raise_first_error()

    def serve_forever(self) -> None:
        """Serve until another thread calls `stop`, or Ctrl-C interrupts this one. Starts the server if need be.

        Raises:
            KeyboardInterrupt: Ctrl-C; the server is stopped.
        """
        if self._hub is None:
            self.start()
        hub = self._hub
        try:
            if hub is not None:
                hub.call(self._await_stop)
        finally:
            self.stop()

    def __enter__(self) -> MockOllama:
        return self.start()

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        self.stop()
        if kind is None:
            self.check()

    def _raise_first_error(self) -> None:
        __tracebackhide__ = True
        if self._errors:
            error = self._errors[0]
            self._errors.clear()
            raise error

    def _routes_of_its_own(self) -> Routes:
        return Routes(self._fake, Library(self._models), Failures(self._fail))

    # From here on the hub thread.

    def _listen(self, hub: Hub) -> HttpServer:
        tls = None
        if self._certificate is not None:
            tls = gevent.ssl.SSLContext(gevent.ssl.PROTOCOL_TLS_SERVER)
            tls.load_cert_chain(*self._certificate)
        listener = listen(self._host, self._port, self._unix)
        http = HttpServer(
            listener,
            self._answer,
            self._count_disconnect,
            hub.call_soon,
            tls,
            needs_body=self._scripts.needs_body,
        )
        http.start()
        return http

    def _shut(self) -> None:
        http, self._http = self._http, None
        if http is not None:
            http.shut()
        if self._unix is not None:
            with contextlib.suppress(FileNotFoundError):  # a test may have removed it
                os.unlink(self._unix)
        self._announce()

    def _answer(self, connection: Connection) -> None:
        """Act a script in one greenlet while another watches for the client's hang-up; the first to end decides.

        Neither is ever interrupted by the other: this greenlet alone kills, and killing what has ended does nothing.
        """
        self._received.append(connection.request)
        acting = gevent.spawn(self._act, connection)
        watching = connection.watch()
        try:
            gevent.wait([acting, watching], count=1)
            if not acting.ready() and watching.value is True:
                acting.kill(ClientGone)
            acting.join()
        finally:
            acting.kill()
            connection.unwatch()
        if isinstance(acting.value, ClientGone) and not connection.is_complete:
            self._count_disconnect()

    def _act(self, connection: Connection) -> None:
        try:
            for step in self._scripts.answer(connection.request):
                step.run(connection)
            connection.flush()
        except gevent.GreenletExit:
            raise  # the client has gone, or the server stops
        except BaseException as error:  # noqa: BLE001 - raised by `stop`, in the test's own thread
            self._errors.append(error)
            if not connection.is_begun:
                said = {"error": f"the mock's script failed: {type(error).__name__}: {error}"}
                reply(said, 500, {"Connection": "close"}).run(connection)

    def _count_disconnect(self) -> None:
        self._disconnects += 1
        self._announce()

    def _announce(self) -> None:
        """Wake who waits for a change. Each waits for the event that it found, so no change is missed."""
        changed, self._changed = self._changed, Event()
        changed.set()

    def _await_disconnects(self, n: int, timeout: float) -> None:
        with gevent.Timeout(timeout, False):
            while self._disconnects < n and self._http is not None:
                self._changed.wait()

    def _await_stop(self) -> None:
        while self._http is not None:
            self._changed.wait()
