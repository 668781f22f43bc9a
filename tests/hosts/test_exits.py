"""How programs end with streams open: by themselves, by a signal, thread by thread. `EXITS=100` tries each exit so often."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from typing import Any

import pytest

Program = Callable[..., str]

_EXITS = int(os.environ.get("EXITS", "10"))

HEAD = """
import os, signal, sys, threading
if sys.argv[1:] == ["patched"]:
    from gevent import monkey
    monkey.patch_all()
import ollama_sync

# As from a terminal: who starts the tests in the background may have these ignored.
signal.signal(signal.SIGINT, signal.default_int_handler)
signal.signal(signal.SIGHUP, signal.SIG_DFL)

client = ollama_sync.Client()
HI = [{"role": "user", "content": "hi"}]

def say(*words):
    os.write(1, (" ".join(map(str, words)) + "\\n").encode())
"""

BOTH = pytest.mark.parametrize("kind", ["plain", "patched"])

# The names stay alive until the modules are torn down; half of the streams were never looked at.
OPEN = """
streams = [client.chat("m", HI, stream=True) for _ in range(100)]
for stream in streams[::2]:
    next(stream)
"""

ENDS = {
    "end of program": ("", 0),
    "sys.exit": ("sys.exit(3)", 3),
    "os._exit": ("os._exit(4)", 4),
    "uncaught error": ("sys.excepthook = lambda *_: None; raise ValueError", 1),
    "with waiting daemons": (
        "for s in streams: threading.Thread(target=list, args=(s,), daemon=True).start()",
        0,
    ),
}


@BOTH
@pytest.mark.parametrize("ending", ENDS)
def test_a_program_ends_with_a_hundred_streams_open(
    ending: str, kind: str, program: Program, upstream: Any
) -> None:
    """No hang, no crash, no word on the standard error, the right status, and the server is told of each stream; time after time."""
    text, status = ENDS[ending]
    # Its own words are that 100 streams were dropped; told to be an error, the warning could not be raised at the exit.
    quiet = "import warnings; warnings.simplefilter('ignore', ResourceWarning)\n"
    # Each kind of end in its share of the exits.
    for number in range(1, max(1, _EXITS // len(ENDS)) + 1):
        program(HEAD + quiet + OPEN + text, kind, status=status)
        upstream.wait_disconnect(100 * number, timeout=10)


SIGNALLED = (
    HEAD
    + """
%s
streams = [client.chat("m", HI, stream=True) for _ in range(20)]
stream = streams[-1]
next(stream)
try:
    say("waits")  # in here: the signal may come before the next line
    while True:
        next(stream)
except SystemExit as exit:
    say("exit", exit.code, stream.stats.buffered >= 0)
    for stream in streams:
        stream.close()
    raise
except KeyboardInterrupt:
    say("interrupted", client.version().version)
    say("goes on", next(stream).message.content)
    for stream in streams:
        stream.close()
"""
)
HANDLER = "signal.signal(signal.SIGTERM, lambda *_: sys.exit(7))"

SIGNALS = {
    "SIGTERM": (signal.SIGTERM, "", "", -signal.SIGTERM),
    "SIGTERM handled": (signal.SIGTERM, HANDLER, "exit 7 True\n", 7),
    "SIGINT": (signal.SIGINT, "", "interrupted 0.33.0\ngoes on A\n", 0),
    "SIGHUP": (signal.SIGHUP, "", "", -signal.SIGHUP),
}


@BOTH
@pytest.mark.parametrize("name", SIGNALS)
def test_a_signal_ends_a_program_that_waits(
    name: str, kind: str, program_under_way: Any, upstream: Any
) -> None:
    """At once, with the status that it asks for; the server is told; after Ctrl-C the program may go on, and the stream too."""
    number, setting, said, status = SIGNALS[name]
    running = program_under_way(SIGNALLED % setting, kind)
    assert running.stdout.readline() == "waits\n"
    running.send_signal(number)
    assert running.wait(20) == status
    assert running.stdout.read() == said
    upstream.wait_disconnect(20, timeout=10)


DYING = (
    HEAD
    + """
import gc, warnings
seen = []
warnings.showwarning = lambda message, category, *_: seen.append((category.__name__, str(message)))
warnings.simplefilter("always", ResourceWarning)
threading.excepthook = lambda *_: None

def die():
    stream = client.chat("m", HI, stream=True)
    next(stream)
    raise ValueError

thread = threading.Thread(target=die)
thread.start()
thread.join()
del thread
gc.collect()
(category, text), = seen
say(category, "was dropped before its end; it was cancelled" in text)
sys.stdin.readline()  # until the server has seen it
say(client.version().version)
"""
)


@BOTH
def test_a_thread_that_dies_lets_go_of_its_stream(
    kind: str, program_under_way: Any, upstream: Any
) -> None:
    """A stream that nobody holds any more is cancelled, and a ResourceWarning says so."""
    running = program_under_way(DYING, kind)
    assert running.stdout.readline() == "ResourceWarning True\n"
    upstream.wait_disconnect(timeout=10)
    running.stdin.write("\n")
    running.stdin.close()
    assert running.stdout.read() == "0.33.0\n"
    assert running.wait(20) == 0
