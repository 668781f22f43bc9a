"""The loggers: silent until asked for, cheap meanwhile, and never a prompt, an answer or a key."""

from __future__ import annotations

import logging
import subprocess
import sys
from collections.abc import Callable

import pytest
from urllib3 import Retry
from urllib3.util.retry import RequestHistory

from ollama_sync import Client, ConnectError, ResponseError
from ollama_sync.testing import MockOllama, chunk, close, head, reply, silence, stream

Eventually = Callable[[Callable[[], object]], None]

PART = {"message": {"role": "assistant", "content": "a secret answer"}, "done": False}
HI = [{"role": "user", "content": "a secret prompt"}]


def lines(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [
        f"{record.levelname} {record.getMessage()}"
        for record in caplog.records
        if record.name == "ollama_sync.call"
    ]


def test_a_call_is_logged_step_by_step(
    server: MockOllama, caplog: pytest.LogCaptureFixture
) -> None:
    """From DEBUG on, one line for each step, all with the number of the call; batches are left out."""
    caplog.set_level(logging.DEBUG, "ollama_sync")
    with Client(server.url) as client:
        client.chat("llama3.2", HI, stream=True).result()
        client.version()
    said = lines(caplog)
    number = said[0].split()[2].rstrip(":")
    steps = [line.split(f" call {number}: ")[1] for line in said[:4]]
    what = f"chat, model llama3.2, POST {server.url}/api/chat"
    assert steps[0] == what
    assert steps[1].startswith("connected after 0.")
    assert steps[2].startswith("first part after 0.")
    assert steps[3].startswith(f"{what}: finished after 0.")
    assert ": 4 parts, " in steps[3]
    assert [line.split(": ")[1][:8] for line in said[4:]] == ["version,", "a kept c", "version,"]
    text = " ".join(said)
    assert "secret" not in text
    assert "AAA" not in text


def test_an_ill_end_is_logged(
    server: MockOllama, caplog: pytest.LogCaptureFixture, eventually: Eventually
) -> None:
    """A failure with its error, at INFO since the caller is raised it; a cancelled call as such."""
    caplog.set_level(logging.DEBUG, "ollama_sync.call")
    server.script([reply({"error": "no such thing"}, status=404)])
    server.script([head(), silence()])
    with Client(server.url) as client:
        with pytest.raises(ResponseError):
            client.chat("m", HI)
        assert lines(caplog)[-1].startswith("INFO call ")
        assert lines(caplog)[-1].endswith("; ResponseError: no such thing (status code: 404)")
        client.chat("m", HI, stream=True).close()
        eventually(lambda: ": cancelled after " in lines(caplog)[-1])


def test_at_info_a_call_is_one_line(server: MockOllama, caplog: pytest.LogCaptureFixture) -> None:
    """When it has ended, with what the model did: tokens, their rate, and the time that loading took."""
    caplog.set_level(logging.INFO, "ollama_sync.call")
    final = {"done": True, "eval_count": 30, "eval_duration": 2 * 10**9, "load_duration": 10**9}
    for said in (
        [stream([PART, final])],
        [reply({**PART, **final})],
        [stream([PART, {"done": True}])],
    ):
        server.script(said)
    with Client(server.url) as client:
        client.chat("llama3.2", HI, stream=True).result()
        client.chat("llama3.2", HI)
        client.chat("llama3.2", HI, stream=True).result()
        client.version()
    streamed, whole, plain, version = lines(caplog)
    assert f": chat, model llama3.2, POST {server.url}/api/chat: finished after 0." in streamed
    assert streamed.endswith(" bytes, 30 tokens, 15.0 tokens/s, loaded in 1.000 s")
    assert whole.endswith(" bytes, 30 tokens, 15.0 tokens/s, loaded in 1.000 s")
    assert plain.endswith(" bytes")
    assert f": version, GET {server.url}/api/version: finished after 0." in version


@pytest.mark.parametrize(
    "value", [{"eval_count": "many"}, {"eval_count": 3, "eval_duration": None}]
)
def test_an_odd_reply_is_logged_as_well(
    server: MockOllama, caplog: pytest.LogCaptureFixture, value: dict[str, object]
) -> None:
    """What is no number is no rate; nothing is raised on the hub."""
    caplog.set_level(logging.INFO, "ollama_sync.call")
    server.script([reply({**PART, **value})])
    with Client(server.url) as client:
        client.chat("m", HI)
    (line,) = lines(caplog)
    assert "tokens/s" not in line


def test_a_long_reply_is_not_decoded_for_the_log(
    server: MockOllama, caplog: pytest.LogCaptureFixture
) -> None:
    """Every stream would wait for that."""
    caplog.set_level(logging.INFO, "ollama_sync.call")
    server.script([reply({**PART, "eval_count": 3, "more": "x" * 70_000})])
    with Client(server.url) as client:
        client.chat("m", HI)
    assert lines(caplog)[0].endswith(" bytes")


def test_a_failure_names_the_url_once(caplog: pytest.LogCaptureFixture) -> None:
    """In the line of the attempt and in that of the call, though the error's own text has it, too."""
    caplog.set_level(logging.DEBUG, "ollama_sync")
    policy = Retry(1, backoff_factor=0)
    with Client("http://127.0.0.1:1", retries=policy) as client, pytest.raises(ConnectError):
        client.chat("m", HI)
    said = [line for line in lines(caplog) if "failed" in line]
    assert len(said) == 2
    assert [line.count("http://127.0.0.1:1/api/chat") for line in said] == [1, 1]
    assert "attempt 1 failed: Connection refused; is Ollama running there?" in said[0]


@pytest.mark.parametrize("level", [logging.DEBUG, logging.WARNING])
def test_a_retry_is_a_warning(
    server: MockOllama, caplog: pytest.LogCaptureFixture, level: int
) -> None:
    """Logged once, with a hook or without, and also where nobody reads the rest."""
    caplog.set_level(level, "ollama_sync")
    for observe in (None, lambda event: None):
        server.script([reply({"error": "busy"}, status=503)])
        earlier = (RequestHistory(None, None, None, None, None),)
        policy = Retry(1, status_forcelist=[503], backoff_factor=0.005, history=earlier)
        with Client(server.url, retries=policy, observe=observe) as client:
            client.chat("m", HI)
    warnings = [line for line in lines(caplog) if line.startswith("WARNING")]
    assert len(warnings) == 2
    assert f"chat, POST {server.url}/api/chat: attempt 1 failed: busy (" in warnings[0]
    assert warnings[0].endswith("; the next in 0.010 s")


def test_a_connection_that_was_closed_is_no_warning(
    server: MockOllama, caplog: pytest.LogCaptureFixture
) -> None:
    """Servers close what idles: that the call goes over a new connection is told at DEBUG."""
    caplog.set_level(logging.DEBUG, "ollama_sync")
    with Client(server.url) as client:
        client.version()
        server.script([close()], path="/api/version")
        client.version()
    (retried,) = [line for line in lines(caplog) if "attempt 1 failed" in line]
    assert retried.startswith("DEBUG")


def test_without_a_reader_nothing_is_made(
    server: MockOllama, caplog: pytest.LogCaptureFixture
) -> None:
    """At the default level no line is written, and no call is followed."""
    caplog.set_level(logging.WARNING)
    with Client(server.url) as client:
        running = client.chat("m", HI, stream=True)
        running.result()
    assert caplog.records == []
    assert not running._exchange._observer.sees_blocks


def test_a_key_and_a_password_are_not_logged(
    server: MockOllama, caplog: pytest.LogCaptureFixture
) -> None:
    """Neither the client's key nor the user name and password of its URL."""
    caplog.set_level(logging.DEBUG, "ollama_sync")
    with Client(server.url.replace("//", "//joe:pass@")) as client:
        client.version()
    with Client(server.url, api_key="pass") as client:
        client.version()
    server.stop()
    with Client(server.url.replace("//", "//joe:pass@")) as client, pytest.raises(ConnectError):
        client.version()
    assert len(caplog.records) == 8
    assert "pass" not in caplog.text
    assert "joe" not in caplog.text


def test_a_program_without_logging_hears_nothing() -> None:
    """Not even of what is an error of ours: Python would else print it to stderr, unasked."""
    code = (
        "import logging, ollama_sync._client.client\n"
        "logging.getLogger('ollama_sync.call').error('boom')\n"
        "logging.getLogger('ollama_sync.hub').error('boom')\n"
    )
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", code], check=False, capture_output=True, text=True
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_the_first_part_is_logged_when_it_comes(
    server: MockOllama, caplog: pytest.LogCaptureFixture, eventually: Eventually
) -> None:
    """Not at the end: who waits for a model sees in the log whether it has begun."""
    caplog.set_level(logging.DEBUG, "ollama_sync")
    server.script([head(), chunk({"done": False}), silence()])
    with Client(server.url) as client:
        running = client.chat("m", HI, stream=True)
        eventually(lambda: ": first part after " in lines(caplog)[-1])
        running.close()
