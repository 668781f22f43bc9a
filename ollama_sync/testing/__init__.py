"""Tools for testing programs that talk to Ollama: a mock server on a real socket, and scripts for it.

    from ollama_sync.testing import Gate, MockOllama, chunk, end, head, wait

    with MockOllama(chunks=1000, delay=0.003) as server:        # the fake stream
        print(server.url)                                       # http://127.0.0.1:PORT
        gate = Gate()
        server.script([head(), chunk({"done": False}), wait(gate), end()])
        ...                                                     # a client asks, here
        gate.wait_reached()
        gate.open()
        print(server.requests[0].json)

For the rest of a test: `answer` says what a model says, `add_chat` and its like say it to the `responses` library, `record` and
`playback` keep what a real server said, `FakeClock` lets time limits run out. The fixtures of pytest are in
`ollama_sync.pytest_plugin`.

The server is one native thread with a gevent loop of its own; test code stays ordinary blocking code, in a patched process
or not. Nothing here is imported by the SDK itself.
"""

from ollama_sync.testing._answer import answer
from ollama_sync.testing._answer_file import answers_from
from ollama_sync.testing._clock import FakeClock
from ollama_sync.testing._connection import ClientGone, Connection
from ollama_sync.testing._expected import NotAsExpected
from ollama_sync.testing._gate import Gate
from ollama_sync.testing._playback import NotRecorded, playback
from ollama_sync.testing._record import record
from ollama_sync.testing._request import Headers, Request
from ollama_sync.testing._responses import (
    add_chat,
    add_embed,
    add_error,
    add_generate,
    add_list,
    add_mock,
    add_script,
)
from ollama_sync.testing._script import (
    chunk,
    close,
    cut,
    dribble,
    end,
    half_close,
    head,
    line,
    pause,
    raw,
    replay,
    reply,
    reset,
    silence,
    stream,
    wait,
)
from ollama_sync.testing._server import MockOllama
from ollama_sync.testing._steps import Handler, Script, Step
from ollama_sync.testing._text import SAMPLE_TEXT

__all__ = [
    "SAMPLE_TEXT",
    "ClientGone",
    "Connection",
    "FakeClock",
    "Gate",
    "Handler",
    "Headers",
    "MockOllama",
    "NotAsExpected",
    "NotRecorded",
    "Request",
    "Script",
    "Step",
    "add_chat",
    "add_embed",
    "add_error",
    "add_generate",
    "add_list",
    "add_mock",
    "add_script",
    "answer",
    "answers_from",
    "chunk",
    "close",
    "cut",
    "dribble",
    "end",
    "half_close",
    "head",
    "line",
    "pause",
    "playback",
    "raw",
    "record",
    "replay",
    "reply",
    "reset",
    "silence",
    "stream",
    "wait",
]
