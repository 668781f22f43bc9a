"""The client under the official package's name: this SDK's, with the arguments that programs hand on to httpx.

httpx is not imported: what is one of its values is seen from where its class is from. Any thread.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping
from typing import Any

from ollama_sync import Client as _Client
from ollama_sync import Timeout
from ollama_sync.errors import RequestError

# Values that ask for nothing but what is done anyway.
_AS_IT_IS: dict[str, tuple[Any, ...]] = {
    "follow_redirects": (True,),
    "http1": (True,),
    "http2": (False, None),
    "cookies": (None, {}),
    "params": (None, {}),
    "limits": (None,),
    "mounts": (None,),
    "transport": (None,),
    "event_hooks": (None, {}),
    "trust_env": (True,),
    "default_encoding": ("utf-8",),
}


class Client(_Client):
    """A client that takes what the official one takes.

    Args:
        host: as `ollama_sync.Client` takes it.
        auth: a name and a password, as a pair or as `httpx.BasicAuth`.
        timeout: as `ollama_sync.Client` takes it, or an `httpx.Timeout`: its read limit is that of the first byte and of each
            silence.
        headers: sent with each request.
        others: whatever else `ollama_sync.Client` takes, and arguments of httpx that ask for nothing but what is done anyway, as
            `follow_redirects=True`.

    Raises:
        TypeError: an argument of httpx has no meaning here; the text says what there is instead.

    Example:
        >>> client = Client("gpu1", follow_redirects=True, auth=("ada", "secret"))
        >>> client
        <Client http://gpu1:11434>
    """

    def __init__(
        self,
        host: str | None = None,
        *,
        auth: Any = None,
        timeout: Any = Timeout(),
        headers: Mapping[str, str | None] | None = None,
        **others: Any,
    ) -> None:
        kept = {
            name: value
            for name, value in others.items()
            if not any(value is one or value == one for one in _AS_IT_IS.get(name, ()))
        }
        if kept.pop("trust_env", True) is False:
            kept.setdefault("proxy", "")
        if auth is not None:
            headers = {**(headers or {}), "Authorization": _authorization(auth)}
        if headers is not None:
            headers = dict(
                headers
            )  # httpx's own kind of mapping cannot be pickled, nor told from others
        super().__init__(host, timeout=_timeout(timeout), headers=headers, **kept)


def _timeout(given: Any) -> Any:
    """Return httpx's limits as ours: it has one for each read, and Ollama sends nothing before the first token."""
    if not _is_of_httpx(given):
        return given
    return Timeout(connect=given.connect, first=given.read, idle=given.read)


def _authorization(auth: Any) -> str:
    if isinstance(auth, (tuple, list)) and len(auth) == 2:
        pair = ":".join(one.decode() if isinstance(one, bytes) else str(one) for one in auth)
        return "Basic " + base64.b64encode(pair.encode()).decode("ascii")
    if _is_of_httpx(auth) and hasattr(auth, "auth_flow"):
        try:
            # It writes into the request that it is given, and may look at nothing of it: that of BasicAuth does not.
            return str(next(auth.auth_flow(_Request())).headers["Authorization"])
        except (AttributeError, KeyError, StopIteration) as error:
            raise RequestError(
                f"auth={type(auth).__name__}: only a name and a password are understood; give headers={{'Authorization': ...}}"
            ) from error
    raise RequestError(f"auth={auth!r:.60}: a pair of a name and a password, or api_key=")


class _Request:
    """What an authentication of httpx writes its header into."""

    def __init__(self) -> None:
        self.headers: dict[str, str] = {}


def _is_of_httpx(value: object) -> bool:
    return type(value).__module__.partition(".")[0] == "httpx"
