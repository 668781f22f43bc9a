"""The tree of errors: its shape, its texts, the facts it carries, and that all of it survives pickling."""

from __future__ import annotations

import copy
import inspect
import pickle
import re

import pytest

from ollama_sync import errors
from ollama_sync.errors import (
    ClosedError,
    ConcurrentUseError,
    ConnectError,
    ConnectTimeout,
    ErrorLine,
    FirstTimeout,
    FleetBusy,
    FleetDown,
    ForkedError,
    FormatError,
    HubError,
    IdleTimeout,
    OllamaError,
    RequestError,
    ResponseError,
    StreamBroken,
    StreamsFailed,
    TotalTimeout,
    UsageError,
    WaitTimeout,
)

TRIED = "POST http://localhost:11434/api/chat"

EXAMPLES: list[OllamaError] = [
    OllamaError("something"),
    ResponseError("model 'x' not found", 404, headers={"X-A": "1"}, hint="pull it"),
    ResponseError("unauthorized", 401, signin_url="https://ollama.com/connect"),
    ConnectError(f"{TRIED}: nothing listens"),
    WaitTimeout("total", 1, TRIED),
    ConnectTimeout("connect", 10.0, TRIED),
    FirstTimeout("first", 0.25, TRIED),
    IdleTimeout("idle", 300, TRIED),
    TotalTimeout("total", 1e6, TRIED),
    StreamBroken("cut short", partial={"response": "so far"}),
    ErrorLine("out of memory", 500, partial={"response": "so far"}),
    FormatError("missing field `age`", text='{"name":"A"}', kind="Person"),
    StreamsFailed([ResponseError("one", 500), ConnectError("two")]),
    FleetDown("POST /api/chat", {"http://a:1": "refused"}),
    FleetBusy(3),
    UsageError("no"),
    RequestError("window: seconds, 0 or more"),
    ClosedError("closed"),
    ConcurrentUseError("in use"),
    ForkedError("of the parent"),
    HubError("stopped"),
]


def printed_tree() -> dict[str, tuple[str, str | None]]:
    """Read the module's docstring: for each class its parent in the tree, and what "also" names."""
    tree: dict[str, tuple[str, str | None]] = {}
    above: list[str] = []
    for line in (errors.__doc__ or "").splitlines():
        found = re.match(r"    ([│├└─ ]*)([A-Z]\w+)(.*)$", line)
        if found is None:
            continue
        depth = len(found[1]) // 4
        also = re.search(r"\(also (\w+)\)", found[3])
        tree[found[2]] = (above[depth - 1] if depth else "Exception", also and also[1])
        above[depth:] = [found[2]]
    return tree


def test_the_tree_in_the_docstring_is_the_real_one() -> None:
    """Each class has the bases that the docstring prints, and no class is left out there."""
    tree = printed_tree()
    classes = {
        name: cls
        for name, cls in inspect.getmembers(errors, inspect.isclass)
        if issubclass(cls, BaseException)
    }
    assert sorted(tree) == sorted(classes) == sorted(errors.__all__)
    for name, (parent, also) in tree.items():
        bases = [base.__name__ for base in classes[name].__bases__]
        assert bases == [parent] + ([also] if also else []), name


def test_there_is_an_example_of_every_class() -> None:
    """The tests below see every class."""
    assert {type(error).__name__ for error in EXAMPLES} == set(errors.__all__)


@pytest.mark.parametrize("error", EXAMPLES, ids=repr)
@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_pickling_keeps_class_text_arguments_and_facts(error: OllamaError, protocol: int) -> None:
    """An error that crosses a process comes out as it went in, also the second time."""
    twin = error
    for _ in range(2):
        twin = pickle.loads(pickle.dumps(twin, protocol))
        assert type(twin) is type(error)
        assert str(twin) == str(error)
        assert repr(twin) == repr(error)
        # Errors inside of errors are other objects now, so it is their texts that are compared.
        assert repr(vars(twin)) == repr(vars(error))


@pytest.mark.parametrize("error", EXAMPLES, ids=repr)
def test_copying_keeps_text_and_facts(error: OllamaError) -> None:
    """`copy.copy` goes by the same road as pickling."""
    twin = copy.copy(error)
    assert (type(twin), str(twin), twin.args, vars(twin)) == (
        type(error),
        str(error),
        error.args,
        vars(error),
    )


@pytest.mark.parametrize("error", EXAMPLES, ids=repr)
def test_the_text_tells_more_than_one_attempt(error: OllamaError) -> None:
    """One attempt is not worth a word, more are told with their time; and the number goes along to another process."""
    tried = copy.copy(error)
    assert (tried.attempts, tried.elapsed) == (1, None)
    assert "attempt" not in str(tried)
    tried.attempts, tried.elapsed = 3, 2.06
    if not isinstance(error, StreamsFailed):  # whose errors tell each their own
        assert str(tried) == f"{error} (3 attempts in 2.1 s)"
    twin = pickle.loads(pickle.dumps(tried))
    assert (twin.attempts, twin.elapsed, str(twin)) == (3, 2.06, str(tried))


def test_notes_survive_pickling() -> None:
    """What a program has added to an error goes along."""
    error = HubError("stopped")
    error.__dict__["request"] = 7
    assert pickle.loads(pickle.dumps(error)).__dict__ == {"request": 7}


@pytest.mark.parametrize(
    ("error", "text"),
    [
        (ResponseError("model 'x' not found", 404), "model 'x' not found (status code: 404)"),
        (ResponseError("out of memory"), "out of memory"),
        (ResponseError("zero", 0), "zero (status code: 0)"),
        (
            ResponseError("no such model", 404, hint="pull it"),
            "no such model (status code: 404); pull it",
        ),
        (
            ResponseError("unauthorized", 401, signin_url="https://o/c", hint="then again"),
            "unauthorized (status code: 401); sign in at https://o/c; then again",
        ),
        (ErrorLine("out of memory", 500), "out of memory (status code: 500)"),
        (ErrorLine("out of memory"), "out of memory"),
        (StreamBroken("cut short"), "cut short"),
        (
            StreamsFailed([ResponseError("one", 500), ConnectError("two")]),
            "2 of the merged streams failed; the first: ResponseError: one (status code: 500)",
        ),
        (
            ConnectTimeout("connect", 10, TRIED),
            (
                f"{TRIED}: no connection within 10 s; "
                "allow more with timeout=Timeout(connect=...), or None for no limit"
            ),
        ),
        (
            FirstTimeout("first", 0.25, TRIED),
            (
                f"{TRIED}: no first byte of a reply (loading a model can take minutes) within 0.25 s; "
                "allow more with timeout=Timeout(first=...), or None for no limit"
            ),
        ),
        (
            IdleTimeout("idle", 300.0, TRIED),
            (
                f"{TRIED}: no further byte of the reply for 300 s; "
                "allow more with timeout=Timeout(idle=...), or None for no limit"
            ),
        ),
        (
            TotalTimeout("total", 5, TRIED),
            (
                f"{TRIED}: the reply was not complete within 5 s; "
                "allow more with timeout=Timeout(total=...), or None for no limit"
            ),
        ),
    ],
    ids=lambda value: type(value).__name__,
)
def test_the_text_says_what_happened_and_what_to_do(error: OllamaError, text: str) -> None:
    """`str` is built from the facts."""
    assert str(error) == text


def test_a_response_error_is_the_official_one() -> None:
    """The names that programs written for the official client read: `.error` and `.status_code`, -1 by default."""
    error = ResponseError("gone", 410)
    assert (error.error, error.status_code) == ("gone", 410)
    assert ResponseError("gone").status_code == -1
    assert (error.headers, error.signin_url, error.hint) == ({}, None, None)
    assert RequestError("must provide a model").error == "must provide a model"


def test_the_headers_are_the_errors_own() -> None:
    """Nobody who changes the mapping that was given changes the error."""
    headers = {"Retry-After": "5"}
    error = ResponseError("busy", 503, headers=headers)
    headers.clear()
    assert error.headers == {"Retry-After": "5"}


def test_builtin_classes_catch_what_they_name() -> None:
    """A program needs no name of this package to catch a refused connection, a timeout or a wrong value."""
    assert issubclass(ConnectError, ConnectionError)
    assert issubclass(WaitTimeout, TimeoutError)
    assert issubclass(RequestError, ValueError)
    assert issubclass(FormatError, ValueError)
    assert issubclass(ErrorLine, ResponseError)
    assert not issubclass(ResponseError, UsageError)


@pytest.mark.parametrize(
    "error", [error for error in EXAMPLES if isinstance(error, OSError)], ids=repr
)
def test_no_argument_is_taken_for_an_errno(error: OSError) -> None:
    """The arguments of these classes are no number and text of the operating system."""
    assert (error.errno, error.strerror, error.filename) == (None, None, None)


def test_what_had_arrived_is_kept() -> None:
    """`.partial` is what was given, None by default."""
    partial = {"response": "so far"}
    assert StreamBroken("cut", partial=partial).partial is partial
    assert ErrorLine("oops", partial=partial).partial is partial
    assert StreamBroken("cut").partial is None
    line = ErrorLine("oops")
    assert (line.partial, line.status_code, line.headers, line.hint) == (None, -1, {}, None)


def test_the_failures_of_a_merge_are_all_there_in_order() -> None:
    """`.errors` is a tuple of the very errors."""
    one, two = ResponseError("one"), ConnectError("two")
    failed = StreamsFailed([one, two])
    assert failed.errors == (one, two)
    assert failed.args == (one, two)


@pytest.mark.parametrize(
    ("given", "error"),
    [
        ('{"error": "no such model"}', "no such model"),
        ('{"error": {"code": 1}}', '{"error": {"code": 1}}'),
        ('{"message": "x"}', '{"message": "x"}'),
        ("{oops", "{oops"),
        ("plain", "plain"),
    ],
)
def test_a_response_error_takes_json_apart(given: str, error: str) -> None:
    """As the official class does, which programs and the official async half make of the body of a reply."""
    assert ResponseError(given, 404).error == error
    assert str(ResponseError(given, 404)).startswith(error)
