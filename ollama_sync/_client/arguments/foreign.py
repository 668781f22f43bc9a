"""What other clients call things that `Client` does not take, and what there is instead. Pure; any thread."""

from __future__ import annotations

import difflib
from collections.abc import Iterable

# Arguments of httpx's clients, which the official client hands on, and of other clients.
INSTEAD = {
    "base_url": "host=",
    "url": "host=",
    "auth": "api_key=, or headers={'Authorization': ...}",
    "cookies": "headers={'Cookie': ...}",
    "params": "nothing; the API has no parameters in its URLs",
    "follow_redirects": "nothing; redirects are followed, and a key goes to no other host",
    "max_redirects": "nothing; five redirects are followed at most",
    "transport": "retries= for its retries, and 'unix:///path' as the host for its uds",
    "mounts": "proxy=",
    "proxies": "proxy=",
    "trust_env": "proxy='' to leave the environment's proxies out",
    "event_hooks": "observe=",
    "limits": "nothing; there is a connection for each call under way",
    "http1": "nothing; HTTP/1.1 is spoken",
    "http2": "nothing; HTTP/1.1 is spoken",
    "default_encoding": "nothing; the API is UTF-8",
    "max_retries": "retries=",
    "organization": "nothing; Ollama has no organizations",
}


def no_such(given: Iterable[str], known: Iterable[str]) -> TypeError:
    """Return the error for arguments that `Client` does not take.

    Args:
        given: their names.
        known: what it takes.

    Example:
        >>> print(no_such(["base_url"], ["host"]))
        Client() takes no 'base_url'; here it is host=
    """
    said = []
    for name in given:
        near = difflib.get_close_matches(name, list(known), 1)
        if name in INSTEAD:
            said.append(f"no {name!r}; here it is {INSTEAD[name]}")
        else:
            said.append(f"no {name!r}" + (f"; did you mean {near[0]}=?" if near else ""))
    return TypeError(f"Client() takes {', and '.join(said)}")
