"""Where the server is, and who may see the key: every rule as a row, and properties over any text."""

from __future__ import annotations

import pickle
import subprocess
import sys
import warnings
from dataclasses import FrozenInstanceError
from unittest import mock

import pytest
import requests
from hypothesis import given
from hypothesis import strategies as st

from ollama_sync import _config
from ollama_sync._config import Host, api_key_for, check_headers, keeps_key, parse_host
from ollama_sync.errors import RequestError

SECRET = "hunter2-Zq"


# ------------------------------------------------------------------------------------------------ host


@pytest.mark.parametrize(
    ("text", "url"),
    [
        # nothing given
        (None, "http://127.0.0.1:11434"),
        ("", "http://127.0.0.1:11434"),
        ("  \t", "http://127.0.0.1:11434"),
        ('""', "http://127.0.0.1:11434"),
        # blanks and quotes around
        (" 1.2.3.4 ", "http://1.2.3.4:11434"),
        ('"1.2.3.4"', "http://1.2.3.4:11434"),
        ("' 1.2.3.4:5 '", "http://1.2.3.4:5"),
        (' " 1.2.3.4 " ', "http://1.2.3.4:11434"),
        # default scheme and ports
        ("example.com", "http://example.com:11434"),
        ("example.com:5678", "http://example.com:5678"),
        ("http://example.com", "http://example.com:80"),
        ("https://example.com", "https://example.com:443"),
        ("http://example.com:11434", "http://example.com:11434"),
        ("https://example.com:8443", "https://example.com:8443"),
        ("HTTPS://Example.COM", "https://example.com:443"),
        ("my_box-1.local.", "http://my_box-1.local.:11434"),
        # the cloud's name alone means its only address
        ("ollama.com", "https://ollama.com:443"),
        ("Ollama.com", "https://ollama.com:443"),
        ("ollama.com:11434", "http://ollama.com:11434"),
        ("http://ollama.com", "http://ollama.com:80"),
        # no host, only a port
        (":1234", "http://127.0.0.1:1234"),
        ("http://:1234", "http://127.0.0.1:1234"),
        (":0", "http://127.0.0.1:0"),
        ("example.com:", "http://example.com:11434"),
        ("https://example.com:", "https://example.com:443"),
        # a prefix
        ("https://example.com/ollama", "https://example.com:443/ollama"),
        ("example.com/ollama/", "http://example.com:11434/ollama"),
        ("example.com:1/a/b//", "http://example.com:1/a/b"),
        ("http://example.com/", "http://example.com:80"),
        ("http://example.com/a:b", "http://example.com:80/a:b"),
        # IPv6
        ("::1", "http://[::1]:11434"),
        ("[::1]", "http://[::1]:11434"),
        ("[::1]:1234", "http://[::1]:1234"),
        ("https://[2001:DB8:0:0::1]", "https://[2001:db8::1]:443"),
        ("2001:db8::1/ollama", "http://[2001:db8::1]:11434/ollama"),
        ("fe80::1%eth0", "http://[fe80::1%25eth0]:11434"),
        ("[fe80::1%eth0]:1", "http://[fe80::1%25eth0]:1"),
        ("http://[fe80::1%25eth0]:1", "http://[fe80::1%25eth0]:1"),
        ("[fe80::1%25]", "http://[fe80::1%2525]:11434"),
        # addresses on which a server listens, but which nobody can connect to everywhere
        ("0.0.0.0", "http://127.0.0.1:11434"),
        ("0.0.0.0:80", "http://127.0.0.1:80"),
        ("::", "http://[::1]:11434"),
        ("[::]:1234", "http://[::1]:1234"),
        ("[0:0:0:0:0:0:0:0]", "http://[::1]:11434"),
        ("[::ffff:0.0.0.0]:1", "http://127.0.0.1:1"),
        # international names
        ("http://Bücher.Example", "http://bücher.example:80"),
        # Unix sockets
        ("unix:///run/ollama.sock", "http+unix://%2Frun%2Follama.sock"),
        ("UNIX:///run/My App/x.sock", "http+unix://%2Frun%2FMy%20App%2Fx.sock"),
    ],
)
def test_host_follows_the_servers_rules(text: str | None, url: str) -> None:
    """A host is read by the rules of the Ollama server."""
    assert parse_host(text).url == url


@pytest.mark.parametrize(
    ("text", "url"),
    [
        ("example.com:65536", "http://example.com:11434"),
        ("example.com:99999999999", "http://example.com:11434"),
        ("example.com:" + "9" * 5000, "http://example.com:11434"),
        ("example.com:-1", "http://example.com:11434"),
        ("example.com:abc", "http://example.com:11434"),
        ("example.com:\uff18\uff10", "http://example.com:11434"),
        ("example.com:²", "http://example.com:11434"),
        ("http://example.com:abc/p", "http://example.com:80/p"),
        ("https://[::1]:70000", "https://[::1]:443"),
        (":66000", "http://127.0.0.1:11434"),
    ],
)
def test_a_bad_port_is_the_default_port_and_a_warning(text: str, url: str) -> None:
    """What is no port number gives the default port of the scheme, and a warning that says both."""
    with pytest.warns(UserWarning, match="is not a number from 0 to 65535") as caught:
        host = parse_host(text)
    assert host.url == url
    assert f"port {host.port} is used" in str(caught[0].message)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("ftp://example.com", "scheme"),
        ("://example.com", "scheme"),
        ("user:pass://example.com", "scheme"),
        ("exa mple.com", "blank"),
        ("http://example.com/a b", "blank"),
        ("exa\nmple.com", "unprintable"),
        ("example.com\x00", "unprintable"),
        ("example.com/\x7f", "unprintable"),
        ("exa\udcffmple.com", "unprintable"),
        ("http://", "names no host"),
        ("https:///ollama", "names no host"),
        ("/run/ollama.sock", "unix:///path"),
        (":", "names no host"),
        ("http://user@", "names no host"),
        ("http://example.com?x=1", "query"),
        ("http://example.com/p?x=1", "query"),
        ("example.com#top", "fragment"),
        ("http://example.com\\@evil.example", "backslash"),
        ("http://example.com?@evil.example", "query"),
        ("1.2.3.4:5:6", "neither host:port nor an IPv6"),
        ("::1:11434:x", "neither host:port nor an IPv6"),
        ("fe80::1%", "neither host:port nor an IPv6"),
        ("fe80::1%a%b", "neither host:port nor an IPv6"),
        ("[fe80::1%]", "neither host:port nor an IPv6"),
        ("[::1", "brackets"),
        ("[::1]x", "brackets"),
        ("[example.com]:80", "brackets"),
        ("[]:80", "brackets"),
        ("a..b", "not a host name"),
        (".example.com", "not a host name"),
        ("*.example.com", "not a host name"),
        ("a%b", "not a host name"),
        ("a" * 64 + ".com", "not a host name"),
        ("ab." * 100 + "com", "not a host name"),
        ("ex℀mple.com", "not a host name"),
        ("unix://run/ollama.sock", "absolute"),
        ("unix://", "absolute"),
    ],
)
def test_what_names_no_host_is_refused(text: str, reason: str) -> None:
    """A text that names no host is refused with the text, the reason and the accepted forms."""
    with pytest.raises(RequestError) as caught:
        parse_host(text)
    message = str(caught.value)
    assert reason in message.partition("; accepted are")[0]
    assert "name:port" in message
    if "@" not in text:
        assert repr(text.strip()) in message


def test_a_host_that_is_no_text_is_refused() -> None:
    """A host of another type is refused by the name of its type."""
    with pytest.raises(RequestError, match="not int"):
        parse_host(11434)  # type: ignore[arg-type]  # the wrong type is the point


def test_the_fields_of_a_host() -> None:
    """Each piece of the text is in its own field, and the user's name and password only there."""
    host = parse_host("https://me:p%40ss@Example.com:8443/ollama/")
    assert host == Host("https", "example.com", 8443, "/ollama", None, "me", "p@ss")
    assert host.url == "https://example.com:8443/ollama"


@pytest.mark.parametrize(
    ("text", "username", "password"),
    [
        ("http://example.com", None, None),
        ("http://me@example.com", "me", None),
        ("http://me:@example.com", "me", ""),
        ("me:pw@example.com:1/p", "me", "pw"),
        ("http://me:p:w@example.com", "me", "p:w"),
        ("http://me:p@w@example.com", "me", "p@w"),
        ("http://:pw@example.com", "", "pw"),
    ],
)
def test_userinfo_is_kept_apart(text: str, username: str | None, password: str | None) -> None:
    """User name and password are read up to the last "@", percent-decoded, and told from absent ones."""
    host = parse_host(text)
    assert (host.hostname, host.username, host.password) == ("example.com", username, password)


def test_a_socket_keeps_its_path() -> None:
    """A Unix socket's path is kept letter for letter, whatever it contains."""
    host = parse_host("unix:///run/A b?#%41@x.sock")
    assert host.socket_path == "/run/A b?#%41@x.sock"
    assert (host.scheme, host.hostname, host.port, host.prefix) == ("http+unix", "localhost", 0, "")


def test_a_host_is_a_value() -> None:
    """A host cannot be changed, is compared by its fields, is hashable and can be pickled."""
    host = parse_host("http://me:pw@example.com/p")
    with pytest.raises(FrozenInstanceError):
        host.port = 1  # type: ignore[misc]  # the wrong use is the point
    assert {host, parse_host("http://me:pw@example.com/p")} == {host}
    assert pickle.loads(pickle.dumps(host)) == host


@pytest.mark.parametrize(
    "text",
    [
        f"http://me:{SECRET}@example.com",
        f"http://{SECRET}@example.com",
        f"me:{SECRET}@example.com:1/p",
    ],
)
def test_a_password_is_in_no_repr_and_no_url(text: str) -> None:
    """Neither user name nor password is in the repr, the text or the URL of a host."""
    host = parse_host(text)
    assert SECRET not in repr(host) + str(host) + host.url + f"{[host]}"


@pytest.mark.parametrize(
    "form",
    [
        "ftp://me:{}@example.com",
        "http://me:{}@exa mple.com",
        "http://me:{}@exa\nmple.com",
        "http://me:\n{}@example.com",
        "http://me:a/{}@example.com",
        "http://me:{}/a@example.com",
        "http://me:{}?a@example.com",
        "http://me:{}#@example.com",
        "http://me:{}@example.com?query",
        "http://me:{}@",
        "http://{}@:x:y",
        "me:{}@[::1",
        "me:{}://x@example.com",
        "me:{}@a..b",
    ],
)
def test_a_password_is_in_no_message(form: str) -> None:
    """A refused host is repeated with everything before its last "@" masked."""
    with pytest.raises(RequestError) as caught:
        parse_host(form.format(SECRET))
    assert SECRET not in str(caught.value) + repr(caught.value) + caught.value.error
    assert "***@" in str(caught.value)


def test_a_password_is_in_no_warning() -> None:
    """The warning for a bad port repeats the port and nothing before it."""
    with pytest.warns(UserWarning, match="'abc'") as caught:
        parse_host(f"http://me:{SECRET}@example.com:abc")
    assert SECRET not in str(caught[0].message)


PIECES = st.sampled_from(
    [
        "http://",
        "https://",
        "unix://",
        "ftp:",
        "//",
        ":",
        "@",
        "/",
        "[",
        "]",
        "%",
        "%25",
        "::",
        ".",
        "..",
        "?",
        "#",
        " ",
        '"',
        "'",
        "\n",
        "\\",
        "0.0.0.0",
        "::1",
        "fe80::1",
        "ollama.com",
        "80",
        "99999",
        "ü",
        "\udcff",
        "a",
    ]
)
HOSTILE = st.one_of(st.text(), st.lists(PIECES, max_size=8).map("".join))


def quietly(text: str) -> Host:
    """Parse without the warning for a bad port."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        return parse_host(text)


@given(HOSTILE)
def test_any_text_is_a_host_or_a_request_error(text: str) -> None:
    """Whatever the text, the outcome is a usable host or a RequestError, nothing else."""
    try:
        host = quietly(text)
    except RequestError:
        return
    assert 0 <= host.port <= 65535
    assert host.hostname
    assert not host.prefix.endswith("/")
    assert isinstance(host.is_loopback, bool)
    assert keeps_key(host, host.url + "/api/chat")


@given(HOSTILE)
def test_a_url_is_read_back_as_the_same_host(text: str) -> None:
    """The URL of a host, read again, is that host without user name and password."""
    try:
        host = quietly(text)
    except RequestError:
        return
    if host.socket_path is None:
        again = parse_host(host.url)
        assert again == Host(host.scheme, host.hostname, host.port, host.prefix)


@given(HOSTILE)
def test_requests_reads_the_same_host(text: str) -> None:
    """The library that connects accepts the URL of every host with a name in ASCII."""
    try:
        host = quietly(text)
    except RequestError:
        return
    # urllib3 takes the zone "25" for an escape, and then for none.
    if host.hostname.isascii() and not host.hostname.endswith("%25"):
        prepared = requests.Request("GET", host.url + "/api/tags").prepare()
        assert keeps_key(host, str(prepared.url))


@given(HOSTILE, HOSTILE)
def test_no_text_around_a_password_leaks_it(before: str, after: str) -> None:
    """A password before an "@" is in no repr and no message, whatever stands around it."""
    text = f"{before}me:{SECRET}@{after}"
    try:
        host = quietly(text)
        shown = repr(host) + host.url
    except RequestError as error:
        shown = str(error) + repr(error)
    # After unix:// everything is a path.
    assert SECRET not in shown or "unix://" in text.lower()


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        ("ollama.com", True),
        ("https://ollama.com", True),
        ("https://OLLAMA.com:443/", True),
        ("http://ollama.com", False),
        ("http://ollama.com:443", False),
        ("https://ollama.com:8443", False),
        ("https://www.ollama.com", False),
        ("https://ollama.com.", False),
        ("https://ollama.com.evil.example", False),
        ("https://evil-ollama.com", False),
        ("https://ollama.com@evil.example", False),
        ("unix:///ollama.com", False),
    ],
)
def test_only_one_place_is_ollama_com(text: str, answer: bool) -> None:
    """Only https://ollama.com on its default port is the cloud."""
    assert parse_host(text).is_ollama_com is answer


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        (None, True),
        ("127.1.2.3", True),
        ("::1", True),
        ("[::1%lo]", True),
        ("0.0.0.0", True),
        ("localhost", True),
        ("app.localhost", True),
        ("unix:///run/x.sock", True),
        ("192.168.0.1", False),
        ("localhost.example.com", False),
        ("notlocalhost", False),
    ],
)
def test_loopback(text: str | None, answer: bool) -> None:
    """Loopback is what cannot leave this machine."""
    assert parse_host(text).is_loopback is answer


# ------------------------------------------------------------------------------------------------- key


@pytest.mark.parametrize(
    ("text", "explicit", "environ_key", "key"),
    [
        ("https://ollama.com", None, "env", "env"),
        ("https://ollama.com", None, " env\n", "env"),
        ("https://ollama.com", "given", "env", "given"),
        ("https://ollama.com", "", "env", None),
        ("https://ollama.com", None, None, None),
        ("https://ollama.com", None, "", None),
        ("http://ollama.com", None, "env", None),
        ("https://www.ollama.com", None, "env", None),
        ("https://ollama.com:8443", None, "env", None),
        ("http://127.0.0.1:11434", None, "env", None),
        ("https://example.com", None, "env", None),
        ("https://example.com", "given", "env", "given"),
        ("https://example.com", " given\n", None, "given"),
        ("unix:///run/x.sock", "given", "env", "given"),
    ],
)
def test_which_key_goes_where(
    text: str, explicit: str | None, environ_key: str | None, key: str | None
) -> None:
    """A given key goes to the configured host, the environment's key to https://ollama.com only."""
    assert api_key_for(parse_host(text), explicit, environ_key) == key


@pytest.mark.parametrize(
    ("origin", "target", "answer"),
    [
        # the same place
        ("https://example.com", "https://example.com/other", True),
        ("https://example.com", "https://EXAMPLE.com:443/", True),
        ("https://example.com:8443", "https://example.com:8443/x", True),
        ("http://example.com/ollama", "http://example.com/elsewhere", True),
        ("http://[::1]:1", "http://[::1]:1/x", True),
        ("http://[fe80::1%eth0]:1", "http://[fe80::1%25eth0]:1/x", True),
        ("http://[fe80::1%eth0]:1", "http://[fe80::1%eth0]:1/x", True),
        ("http://[fe80::1%0]:1", "http://[fe80::1%0]:1/x", True),
        ("http://[fe80::1%eth0]:1", "http://[fe80::1%25eth1]:1/x", False),
        ("http://example.com", "https://example.com/", True),
        ("http://example.com:80", "https://example.com:443/", True),
        ("unix:///run/x.sock", "http+unix://%2Frun%2Fx.sock/api", True),
        # another place
        ("https://example.com", "https://evil.example/", False),
        ("https://example.com", "https://www.example.com/", False),
        ("https://example.com", "https://example.com.evil.example/", False),
        ("https://example.com", "https://example.com@evil.example/", False),
        ("https://example.com", "https://evil.example\\@example.com/", False),
        ("https://example.com", "https://example.com./", False),
        ("https://example.com", "https://example.com:8443/", False),
        ("https://example.com:8443", "https://example.com/", False),
        ("https://example.com", "http://example.com/", False),
        ("https://example.com", "http://example.com:443/", False),
        ("http://example.com:8080", "https://example.com/", False),
        ("http://example.com:8080", "https://example.com:8080/", False),
        ("http://example.com", "https://example.com:8443/", False),
        ("http://example.com", "https://other.example/", False),
        ("http://localhost:80", "http+unix://localhost/", False),
        ("unix:///run/x.sock", "http+unix://%2Frun%2FX.sock/api", False),
        ("unix:///run/x.sock", "http://localhost/api", False),
        # no absolute URL of a known kind
        ("https://example.com", "/relative", False),
        ("https://example.com", "//example.com/", False),
        ("https://example.com", "ftp://example.com/", False),
        ("https://example.com", "https://", False),
        ("https://example.com", "https://example.com:x/", False),
        ("https://example.com", "https://example.com:99999/", False),
        ("https://example.com", "https://[example.com/", False),
        ("https://example.com", "https://example.com /", False),
        ("https://example.com", "https://exam\nple.com/", False),
        ("https://example.com", "", False),
    ],
)
def test_credentials_stay_at_their_place(origin: str, target: str, answer: bool) -> None:
    """Credentials follow a redirect to the same place, or from http to https there; nowhere else."""
    assert keeps_key(parse_host(origin), target) is answer


def test_a_url_may_stand_for_the_origin() -> None:
    """The place a credential belongs to may be given as a URL; one that cannot be read trusts nobody."""
    assert keeps_key("https://example.com/a", "https://example.com/b")
    assert not keeps_key("nonsense", "nonsense")


@given(st.text(), st.text())
def test_any_redirect_has_an_answer(origin: str, target: str) -> None:
    """Whatever a server writes into Location, the answer is yes or no, never an error."""
    assert isinstance(keeps_key(origin, target), bool)


# --------------------------------------------------------------------------------------------- headers


def test_headers_pass_as_they_are() -> None:
    """Good headers come out in a new dict, in order, without None values and outer blanks."""
    given_headers = {
        "X-One": "1",
        "x-none": None,
        "X-Latin": "caf\xe9\tau lait",
        "X-Empty": "",
        "X-Pad": " a ",
    }
    checked = check_headers(given_headers)
    assert checked == {"X-One": "1", "X-Latin": "caf\xe9\tau lait", "X-Empty": "", "X-Pad": "a"}
    assert list(checked) == ["X-One", "X-Latin", "X-Empty", "X-Pad"]


@pytest.mark.parametrize("bad", ["\r", "\n", "\r\nX-Evil: 1", "\0", "\x1b", "\x7f", "€", "\udcff"])
def test_a_bad_value_is_refused_by_the_name_of_its_header(bad: str) -> None:
    """A value that could not go as one latin-1 line is refused; the message has the name, not the value."""
    with pytest.raises(RequestError, match="header X-Token") as caught:
        check_headers({"X-Token": f"{SECRET}{bad}{SECRET}"})
    shown = str(caught.value) + repr(caught.value) + repr(caught.value.__context__)
    assert SECRET not in shown


@pytest.mark.parametrize("name", ["", "X Y", "X:", "X\r\nY", "Ü", "X\0", 7])
def test_a_bad_name_is_refused(name: str) -> None:
    """A name that is no HTTP token is refused, without its value."""
    with pytest.raises(RequestError, match="header name") as caught:
        check_headers({name: SECRET})
    assert SECRET not in str(caught.value)


def test_a_value_that_is_no_text_is_refused() -> None:
    """A value of another type is refused by the name of its type, and not shown."""
    with pytest.raises(
        RequestError, match="header X-Count: the value must be text, not bytes"
    ) as caught:
        check_headers({"X-Count": SECRET.encode()})  # type: ignore[dict-item]  # the wrong type is the point
    assert SECRET not in str(caught.value)


@given(st.dictionaries(st.text(), st.one_of(st.none(), st.text())))
def test_what_passes_is_accepted_by_requests_and_has_no_line_end(
    headers: dict[str, str | None],
) -> None:
    """What passes can be sent: one line of latin-1 each, and `requests` has nothing left to refuse."""
    try:
        checked = check_headers(headers)
    except RequestError:
        return
    for name, value in checked.items():
        assert not set("\r\n\0") & set(name + value)
        value.encode("latin-1")
        requests.utils.check_header_validity((name, value))


# ----------------------------------------------------------------------------------------- environment


def test_the_environment_is_read_at_each_call(monkeypatch: pytest.MonkeyPatch) -> None:
    """Both variables are read when asked for, trimmed; unset and blank ones are None."""
    monkeypatch.setenv("OLLAMA_HOST", ' "example.com:1" ')
    monkeypatch.setenv("OLLAMA_API_KEY", f"{SECRET}\n")
    seen = _config.environment()
    assert (seen.host, seen.api_key) == ("example.com:1", SECRET)
    monkeypatch.setenv("OLLAMA_HOST", "  ")
    monkeypatch.delenv("OLLAMA_API_KEY")
    seen = _config.environment()
    assert (seen.host, seen.api_key) == (None, None)


def test_the_environment_hides_its_secrets(monkeypatch: pytest.MonkeyPatch) -> None:
    """The repr of the environment has neither the key nor a password in the host."""
    monkeypatch.setenv("OLLAMA_HOST", f"http://me:{SECRET}@example.com")
    monkeypatch.setenv("OLLAMA_API_KEY", SECRET)
    assert SECRET not in repr(_config.environment())


def test_parsing_does_not_read_the_environment() -> None:
    """Only `environment` looks at the environment."""
    with mock.patch.dict("os.environ", {"OLLAMA_HOST": "example.com", "OLLAMA_API_KEY": SECRET}):
        host = parse_host(None)
        assert host.hostname == "127.0.0.1"
        assert api_key_for(parse_host("ollama.com"), None, None) is None


@pytest.mark.own_process
def test_importing_it_is_light() -> None:
    """Importing the module loads no network library."""
    program = (
        "import sys, ollama_sync._config\n"
        "heavy = {'requests', 'urllib3', 'gevent', 'ssl', 'socket', 'http.client'} & set(sys.modules)\n"
        "print(sorted(heavy))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=False
    )
    assert (done.stdout, done.stderr) == ("[]\n", "")


@pytest.mark.parametrize(
    "host", ["http:/x", "http//x", "https:/gpu1:80", "HTTP:", "unix:/run/x.sock"]
)
def test_half_a_scheme_is_no_host(host: str) -> None:
    """A slip in "http://" would else be a host named http."""
    with pytest.raises(RequestError, match="whose :// is not whole"):
        parse_host(host)


@pytest.mark.parametrize("host", ["http", "https.example", "httpd:80", "unix"])
def test_a_host_may_begin_like_a_scheme(host: str) -> None:
    """A name is a name."""
    assert parse_host(host).url
