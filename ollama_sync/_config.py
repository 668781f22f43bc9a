"""Where the server is, and who may see the key: host, environment, redirects, headers.

Pure functions over text, and two frozen values. Runs on any thread. `environment` is the only reader of the
environment, called when a client is made; nothing here connects, resolves a name or reads a file. May not import
anything heavy, nor anything of the package but `errors`.

The rules for a host are those by which the Ollama server and its command line read OLLAMA_HOST, so that one value
serves all of them.
"""

from __future__ import annotations

import ipaddress
import os
import re
import warnings
from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from urllib.parse import quote, unquote, urlsplit

from ollama_sync.errors import RequestError

if TYPE_CHECKING:
    from collections.abc import Mapping

_DEFAULT_PORT = 11434
_SCHEME_PORTS = {"http": 80, "https": 443}
_UNIX = "http+unix"
_ACCEPTED = (
    "accepted are name, name:port, :port, an IPv4 or IPv6 address, each also after http:// or https:// "
    "and before a /prefix, and unix:///absolute/path.sock"
)

_NAME = re.compile(r"[a-z0-9_-]{1,63}(\.[a-z0-9_-]{1,63})*\.?")
_ZONE = re.compile(r"[A-Za-z0-9._~-]+")
_BRACKETED = re.compile(r"\[([^\[\]]*)\](?::(.*))?")
_USERINFO = re.compile(r"^([A-Za-z][A-Za-z0-9+.-]*://)?.*@", re.DOTALL)
_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_NOT_IN_A_VALUE = re.compile(r"[^\t\x20-\x7e\x80-\xff]")


@dataclass(frozen=True, slots=True)
class Host:
    """A server's address, and the user name and password that were written into it.

    Args:
        scheme: "http", "https", or "http+unix" for a Unix socket.
        hostname: lower-case name or address to connect to; IPv6 without brackets, with its zone id if any.
        port: TCP port; 0 for a Unix socket.
        prefix: path before "/api/...", such as "/ollama"; "" for none; never ends in "/".
        socket_path: absolute path of a Unix socket, or None.
        username: for Basic auth, percent-decoded, or None. Not in the repr.
        password: for Basic auth, percent-decoded, or None. Not in the repr.

    Example:
        >>> parse_host("https://user:secret@example.com/ollama/").url
        'https://example.com:443/ollama'
    """

    scheme: str
    hostname: str
    port: int
    prefix: str = ""
    socket_path: str | None = None
    username: str | None = field(default=None, repr=False)
    password: str | None = field(default=None, repr=False)

    @property
    def url(self) -> str:
        """The base URL, with port and prefix and without user name and password.

        A Unix socket is written as `http+unix://`, then its path percent-encoded in the place of a host.
        """
        if self.socket_path is not None:
            return f"{_UNIX}://{quote(self.socket_path, safe='')}"
        # In a URL a zone id follows "%25" (RFC 6874).
        name = f"[{self.hostname.replace('%', '%25')}]" if ":" in self.hostname else self.hostname
        return f"{self.scheme}://{name}:{self.port}{self.prefix}"

    @property
    def is_ollama_com(self) -> bool:
        """True for `https://ollama.com` on port 443 and nothing else: the only place for the environment's key."""
        return (self.scheme, self.hostname, self.port) == ("https", "ollama.com", 443)

    @property
    def is_loopback(self) -> bool:
        """True when the address is of this machine: loopback addresses, localhost names, a Unix socket."""
        if self.socket_path is not None:
            return True
        address = _address(self.hostname)
        if address is not None:
            return address.is_loopback
        return self.hostname == "localhost" or self.hostname.endswith(".localhost")


@dataclass(frozen=True, slots=True)
class Environment:
    """What the process's environment says. Neither field is in the repr: both may hold secrets.

    Args:
        host: OLLAMA_HOST, trimmed; None when unset or empty.
        api_key: OLLAMA_API_KEY, trimmed; None when unset or empty.
    """

    host: str | None = field(repr=False)
    api_key: str | None = field(repr=False)


def environment() -> Environment:
    """Read OLLAMA_HOST and OLLAMA_API_KEY, now.

    Returns:
        The two values, without the blanks and quotes around them.
    """
    return Environment(
        host=_trim(os.environ.get("OLLAMA_HOST", "")) or None,
        api_key=_trim(os.environ.get("OLLAMA_API_KEY", "")) or None,
    )


# What the server would take for a host named http.
_HALF_A_SCHEME = re.compile(r"(https?|unix)(:/|//|:$|/)", re.IGNORECASE)


def parse_host(text: str | None) -> Host:
    """Read a host as the Ollama server reads OLLAMA_HOST, and make it one that can be connected to.

    A port that is no number from 0 to 65535 gives a `UserWarning` and the default port, as in the server. The
    addresses that mean "every interface" to a server, 0.0.0.0 and ::, become the loopback address of their family.

    Args:
        text: what the user wrote; None or blank means the default, `http://127.0.0.1:11434`.

    Returns:
        The host.

    Raises:
        RequestError: the text names no host: unknown scheme, blanks or control characters inside, no host,
            a query or a fragment. The message repeats the text with user name and password masked.

    Example:
        >>> parse_host("0.0.0.0").url
        'http://127.0.0.1:11434'
    """
    if text is None:
        text = ""
    elif not isinstance(text, str):
        raise RequestError(f"host must be text, not {type(text).__name__}; {_ACCEPTED}")
    given = _trim(text) or f"127.0.0.1:{_DEFAULT_PORT}"
    # Not printable: control characters, line ends, and what the environment held that is no text.
    if not given.isprintable():
        raise _refusal(given, "it contains control or other unprintable characters")
    scheme, separator, rest = given.partition("://")
    if not separator and _HALF_A_SCHEME.match(given):
        raise _refusal(given, "it begins like a URL whose :// is not whole")
    if not separator:
        return _parse_network("", given, given)
    scheme = scheme.lower()
    if scheme == "unix":
        if not rest.startswith("/"):
            raise _refusal(given, "the path of a Unix socket must be absolute")
        return Host(_UNIX, "localhost", 0, socket_path=rest)
    if scheme not in _SCHEME_PORTS:
        raise _refusal(given, "its scheme is not http, https or unix")
    return _parse_network(scheme, rest, given)


def api_key_for(host: Host, explicit: str | None, environ_key: str | None) -> str | None:
    """Choose the key for a host.

    A key that the program gives was meant for the host that it gives. The environment's key belongs to
    ollama.com: sent to whatever OLLAMA_HOST names, it would leak.

    Args:
        host: the configured host.
        explicit: the `api_key` of the client; blank means "send none", also to ollama.com.
        environ_key: the environment's OLLAMA_API_KEY.

    Returns:
        The key without blanks around it, or None when none is to be sent.
    """
    if explicit is not None:
        return explicit.strip() or None
    if environ_key is not None and host.is_ollama_com:
        return environ_key.strip() or None
    return None


def keeps_key(origin: Host | str, target: str) -> bool:
    """Tell whether credentials for one place may follow a redirect to another.

    They may to the same scheme, host and port, and from http to https of the same host when both ports are the
    default ones. Everything else, and whatever cannot be read without doubt, is refused.

    Args:
        origin: where the credentials were meant to go: a host or an absolute URL.
        target: the absolute URL of the redirect.

    Returns:
        True when they may follow.
    """
    here = _origin(origin.url if isinstance(origin, Host) else origin)
    there = _origin(target)
    if here is None or there is None:
        return False
    return here == there or (here, there) == (("http", here[1], 80), ("https", here[1], 443))


def check_headers(headers: Mapping[str, str | None]) -> dict[str, str]:
    """Check header names and values before they reach a socket.

    Args:
        headers: names and values; an entry whose value is None is left out.

    Returns:
        A new dict; blanks around a value are cut, as HTTP does.

    Raises:
        RequestError: a name that is no HTTP token, or a value that is no text, has a control character (line ends
            would smuggle in a second header) or is not latin-1. The message never has the value: it may be a secret.
    """
    checked: dict[str, str] = {}
    for name, value in headers.items():
        if not isinstance(name, str) or not _TOKEN.fullmatch(name):
            raise RequestError(
                f"header name {name!r} is not accepted: use letters, digits and hyphens"
            )
        if value is None:
            continue
        if not isinstance(value, str):
            raise RequestError(f"header {name}: the value must be text, not {type(value).__name__}")
        stripped = value.strip()
        if _NOT_IN_A_VALUE.search(stripped):
            raise RequestError(
                f"header {name}: the value has a line end, a control character or a character outside latin-1; "
                "it is not shown here, as it may be a secret"
            )
        checked[name] = stripped
    return checked


def _trim(text: str) -> str:
    """Cut blanks, then quotes, then blanks: what shells and service files leave around a value."""
    return text.strip().strip("\"'").strip()


def _refusal(given: str, reason: str) -> RequestError:
    """Build the error for a host; everything before the last "@" may hold a password, so it is masked."""
    shown = _USERINFO.sub(r"\g<1>***@", given)
    return RequestError(f"host {shown!r} cannot be used: {reason}; {_ACCEPTED}")


def _parse_network(scheme: str, rest: str, given: str) -> Host:
    """Read `[userinfo@]host[:port][/prefix]`; `scheme` is "" when none was given."""
    # Each of these would let two readers of one text see two different hosts, or cut a password in two.
    if any(character in rest for character in " ?#\\"):
        raise _refusal(given, "it contains a blank, a query, a fragment or a backslash")
    authority, _, path = rest.partition("/")
    if "@" in path:
        raise _refusal(given, "'/' in a password must be written %2F, and '@' in a prefix %40")
    userinfo, at, hostport = authority.rpartition("@")
    name, port_text = _split_port(hostport, given)
    if not name and not port_text:
        raise _refusal(given, "it names no host (a socket is written unix:///path)")
    hostname = _connectable(name, given) if name else "127.0.0.1"
    if not scheme:
        # As the server does: the bare name of the cloud means its only real address.
        scheme = "https" if hostname == "ollama.com" and not port_text else "http"
        default = 443 if scheme == "https" else _DEFAULT_PORT
    else:
        default = _SCHEME_PORTS[scheme]
    port = _port(port_text, default)
    prefix = f"/{path}".rstrip("/")
    username, colon, password = userinfo.partition(":")
    return Host(
        scheme,
        hostname,
        port,
        prefix,
        username=unquote(username) if at else None,
        password=unquote(password) if colon else None,
    )


def _split_port(hostport: str, given: str) -> tuple[str, str]:
    """Split host and port; an IPv6 address may go without brackets when no port follows it."""
    if hostport.startswith("["):
        match = _BRACKETED.fullmatch(hostport)
        if match is None or ":" not in match[1]:
            raise _refusal(given, "brackets enclose an IPv6 address, and only a port may follow")
        return match[1], match[2] or ""
    if hostport.count(":") > 1:
        return hostport, ""
    name, _, port = hostport.partition(":")
    return name, port


def _port(text: str, default: int) -> int:
    """Read a port as the server does: what is none becomes the default, with a warning."""
    if not text:
        return default
    # The length is looked at first: int() refuses thousands of digits with an error of its own.
    if text.isascii() and text.isdigit() and len(text.lstrip("0")) <= 5 and int(text) <= 65535:
        return int(text)
    warnings.warn(
        f"host: port {text!r} is not a number from 0 to 65535; port {default} is used instead",
        UserWarning,
    )
    return default


def _connectable(name: str, given: str) -> str:
    """Check a name or an address and bring it to the form in which it is compared and connected to."""
    if ":" in name:
        address, _, zone = name.partition("%")
        # Written in a URL, "%" before a zone id is "%25"; a bare "%25" is interface 25.
        zone = zone.removeprefix("25") or zone
        ip = _address(address)
        if ip is None or ("%" in name and not _ZONE.fullmatch(zone)):
            raise _refusal(
                given, "it is neither host:port nor an IPv6 address (write [address]:port)"
            )
        return f"{_loopback_if_any(ip)}%{zone}" if zone else _loopback_if_any(ip)
    ip = _address(name)
    if ip is not None:
        return _loopback_if_any(ip)
    if not name.isascii():
        import unicodedata  # needed for international names only

        # Compatibility forms first: some of them become "/" or "@".
        name = unicodedata.normalize("NFKC", name)
    name = name.lower()
    ascii_form = "".join(character if character.isascii() else "x" for character in name)
    if len(name) > 253 or not _NAME.fullmatch(ascii_form):
        raise _refusal(given, "it is not a host name")
    return name


def _address(text: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        return ipaddress.ip_address(text)
    except ValueError:  # not an address; then it is a name
        return None


def _loopback_if_any(ip: ipaddress.IPv4Address | ipaddress.IPv6Address) -> str:
    """Give the address to connect to: a server that listens on every interface is reached by loopback."""
    if (
        isinstance(ip, ipaddress.IPv6Address)
        and ip.ipv4_mapped is not None
        and ip.ipv4_mapped.is_unspecified
    ):
        return "127.0.0.1"
    if ip.is_unspecified:
        return "127.0.0.1" if ip.version == 4 else "::1"
    return str(ip)


def _origin(url: str) -> tuple[str, str, int] | None:
    """Give scheme, host and port of an absolute URL; None when it has none or could be read in two ways."""
    if not url.isprintable() or "\\" in url:
        return None
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:  # a broken port or bracket: no origin to trust
        return None
    if parts.scheme == _UNIX:
        # The "host" is a file's path here, whose case counts.
        return _UNIX, parts.netloc, 0
    if parts.scheme not in _SCHEME_PORTS or not parts.hostname:
        return None
    # A zone id follows "%25" or "%"; which of them depends on who wrote the URL.
    hostname = parts.hostname.replace("%25", "%", 1)
    return parts.scheme, hostname, _SCHEME_PORTS[parts.scheme] if port is None else port
