"""`Ollama`: gives each Flask app one client, made from its config; and the commands `flask ollama`.

`init_app` runs where the app is made; `current_ollama` on any thread or greenlet with an app context. The one mutable thing is the
dict `app.extensions["ollama"]`: empty, or the app's client. It has no lock: a child forked while another thread held it would wait
for ever.
"""

from __future__ import annotations

from typing import Any, cast

from flask import Flask, current_app
from werkzeug.local import LocalProxy

from ollama_sync import Client, Fleet, RequestError, UsageError
from ollama_sync.flask._commands import command_group
from ollama_sync.flask._errors import handle_errors
from ollama_sync.flask._json import take_values
from ollama_sync.flask._settings import CLIENT, FLEET, warn_of_unknown


class Ollama:
    """The extension: one `Client` for each app, and the commands `flask ollama`.

    Each parameter of `Client` is a setting in `app.config`, in capitals behind `OLLAMA_`, with the same default: `OLLAMA_HOST`,
    `OLLAMA_API_KEY`, `OLLAMA_TIMEOUT`, `OLLAMA_BATCH` (a `BatchPolicy`) and so on. Where `OLLAMA_HOST` or `OLLAMA_API_KEY` is None, the
    environment's variable of that name holds. With `OLLAMA_HOSTS`, a list, a mapping or a text as "gpu1=8, gpu2", the app has a `Fleet` in
    place of a client, and `OLLAMA_PARALLEL` and `OLLAMA_MAX_WAITING` are settings of it. A name that begins so and is no setting is warned of. Unless the app has a handler
    of its own for `OllamaError`, `error_reply` answers for what the views let through. Views may return replies and statistics, and
    `app.json` writes them.

    The client is made at the first use in a context of the app, from what the config says then. It serves all threads and greenlets of the
    process, and works in forked children too: so also under `gunicorn --preload`.

    Args:
        app: the same as `init_app(app)` later.

    Raises:
        RequestError: a setting is wrong.

    Example:
        >>> from flask import Flask
        >>> from ollama_sync.testing import MockOllama
        >>> app = Flask("example")
        >>> with MockOllama() as server:
        ...     app.config["OLLAMA_HOST"] = server.url
        ...     extension = Ollama(app)
        ...     with app.app_context():
        ...         reply = current_ollama.generate("llama3.2", "hi")
        >>> reply.done
        True
    """

    def __init__(self, app: Flask | None = None) -> None:
        if app is not None:
            self.init_app(app)

    def init_app(self, app: Flask) -> None:
        """Give the app its settings, its client and its commands. Connects to nothing.

        Args:
            app: may be one of several; each has a client of its own.

        Raises:
            RequestError: a setting is wrong.
        """
        warn_of_unknown(app)
        for key, parameter in CLIENT.items():
            app.config.setdefault(key, parameter.default)
        for key, default in FLEET.items():
            app.config.setdefault(key, default)
        # Made and dropped: whether the settings are right is known now, and not in the first request.
        _new_client(app)
        app.extensions["ollama"] = {}
        handle_errors(app)
        take_values(app)
        app.cli.add_command(command_group(current_ollama))


def _new_client(app: Flask) -> Client | Fleet:
    settings: dict[str, Any] = {
        parameter.name: app.config[key] for key, parameter in CLIENT.items()
    }
    hosts = app.config["OLLAMA_HOSTS"]
    try:
        if hosts is None:
            return Client(**settings)
        if settings.pop("host") is not None:
            raise RequestError("OLLAMA_HOST and OLLAMA_HOSTS: only one of them")
        return Fleet(
            _servers(hosts),
            parallel=app.config["OLLAMA_PARALLEL"],
            max_waiting=app.config["OLLAMA_MAX_WAITING"],
            **settings,
        )
    except RequestError as error:
        raise RequestError(f"a setting OLLAMA_... in app.config is wrong: {error}") from error


def _servers(hosts: Any) -> Any:
    """Return the servers of `OLLAMA_HOSTS`: as `Fleet` takes them, or out of a text, as "gpu1=8, gpu2"."""
    if not isinstance(hosts, str):
        return hosts
    found: dict[str, int | None] = {}
    for word in filter(None, (word.strip() for word in hosts.split(","))):
        host, equals, places = word.rpartition("=")
        if equals and not places.isdecimal():
            raise RequestError(f"OLLAMA_HOSTS: {word!r}: a host, or a host=places, as gpu1=8")
        found[host if equals else word] = int(places) if equals else None
    return found


def _client() -> Client | Fleet:
    made: dict[str, Client | Fleet] | None = current_app.extensions.get("ollama")
    if made is None:
        raise UsageError(
            f"the app {current_app.name!r} has no client; call Ollama(app) where the app is made"
        )
    client = made.get("client")
    if client is None:
        # Of two threads that come here at once the first wins; the other's client has no connection yet, and is dropped.
        client = made.setdefault("client", _new_client(current_app))
    return client


current_ollama: Client = cast("Client", LocalProxy(_client))
"""The client of the current app, or its fleet, for views and whatever else has an app context.

Raises:
    UsageError: at the first use, if the app has no `Ollama`.
    RuntimeError: from Flask, if there is no app context.

Example:
    >>> from ollama_sync.testing import MockOllama
    >>> app = Flask("example")
    >>> with MockOllama(chunks=3) as server:
    ...     app.config["OLLAMA_HOST"] = server.url
    ...     extension = Ollama(app)
    ...     with app.app_context():
    ...         current_ollama.generate("llama3.2", "hi").response
    'AAA'
"""
