"""What the server of the soak does to a stream, and how such a stream may end.

A caller puts a `Plan` into its prompt: so the server knows what to do, and the caller what it has to get. Runs in the server's
process, on its hub, and in the soak's, on any thread; keeps no state.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

from ollama_sync import (
    ConnectError,
    ErrorLine,
    FirstTimeout,
    IdleTimeout,
    OllamaError,
    ResponseError,
    StreamBroken,
)
from ollama_sync.testing import (
    Request,
    Step,
    chunk,
    close,
    dribble,
    end,
    half_close,
    head,
    line,
    pause,
    raw,
    reply,
    reset,
    silence,
)


@dataclass(frozen=True)
class Plan:
    """One stream, as it is to be.

    Args:
        fault: of `FAULTS`.
        parts: with text, if nothing goes wrong.
        at: how many of them come before the fault.
        delay: seconds before each part.
        size: bytes of the text of a part, at least.
    """

    fault: str
    parts: int
    at: int
    delay: float
    size: int

    def prompt(self) -> str:
        """Write it down for the server."""
        return json.dumps(asdict(self))

    def text(self, number: int) -> str:
        """Return the text of a part, which no other part of the stream has."""
        return f"{number}:".ljust(self.size, ".")

    def line(self, number: int) -> bytes:
        """Return a part as the server sends it."""
        return line(_part(self.text(number)))


def _part(text: str, **more: Any) -> dict[str, Any]:
    return {"model": "m", "message": {"role": "assistant", "content": text}, "done": False, **more}


_FINAL = line(_part("") | {"done": True, "done_reason": "stop"})

Script = Callable[[Plan], list[Step]]


@dataclass(frozen=True)
class Fault:
    """Something that a server does.

    Args:
        script: what it says.
        errors: one of them ends the stream; none, if the stream is whole.
        arrive: how many parts the caller gets at least.
    """

    script: Script
    errors: tuple[type[OllamaError], ...] = ()
    arrive: Callable[[Plan], int] = lambda plan: plan.at


def _whole(plan: Plan) -> int:
    return plan.parts


def _none(_: Plan) -> int:
    return 0


def _begun(plan: Plan, until: int | None = None) -> list[Step]:
    steps = [head()]
    for number in range(plan.at if until is None else until):
        if plan.delay:
            steps.append(pause(plan.delay))
        steps.append(chunk(plan.line(number)))
    return steps


def _then(*steps: Step) -> Script:
    return lambda plan: [*_begun(plan), *steps]


def _sound(plan: Plan) -> list[Step]:
    return [*_begun(plan, plan.parts), chunk(_FINAL), end()]


def _dribbled(plan: Plan) -> list[Step]:
    body = b"".join(map(plan.line, range(plan.parts))) + _FINAL
    return [head(), dribble(b"%x\r\n%b\r\n" % (len(body), body), 7), end()]


def _cut_anywhere(plan: Plan) -> list[Step]:
    """Chunks end in the midst of lines, as behind a proxy."""
    body = b"".join(map(plan.line, range(plan.parts))) + _FINAL
    return [head(), *(chunk(body[at : at + 97]) for at in range(0, len(body), 97)), end()]


def _half_line(*steps: Step) -> Script:
    return lambda plan: [*_begun(plan), chunk(plan.line(plan.at)[:-9]), *steps]


_OK = b"HTTP/1.1 200 OK\r\n"
_CHUNKED = b"Transfer-Encoding: chunked\r\n\r\n"
_DEFLATED = b"Content-Encoding: deflate\r\n\r\n\x78\x9c"

FAULTS: dict[str, Fault] = {
    "none": Fault(_sound, arrive=_whole),
    "dribbled": Fault(_dribbled, arrive=_whole),
    "cut anywhere": Fault(_cut_anywhere, arrive=_whole),
    # What a reset finds in the receiver's socket, it may throw away.
    "reset": Fault(_then(reset()), (StreamBroken,), arrive=_none),
    "hung up": Fault(_then(close()), (StreamBroken,)),
    "half closed": Fault(_then(half_close()), (StreamBroken,)),
    "half a line, hung up": Fault(_half_line(close()), (StreamBroken,)),
    "half a line, ended": Fault(_half_line(end()), (StreamBroken,)),
    "no final part": Fault(_then(end()), (StreamBroken,)),
    "error line": Fault(_then(chunk({"error": "it died"}), end()), (ErrorLine,)),
    "error line, no newline": Fault(_then(chunk(b'{"error":"it died"}'), end()), (ErrorLine,)),
    "garbage": Fault(_then(chunk(b"\xff\x00{]\n"), end()), (StreamBroken,)),
    "bad framing": Fault(_then(raw(b"what?\r\n")), (StreamBroken,)),
    # Without a part there was no first byte yet.
    "silent": Fault(_then(silence()), (IdleTimeout, FirstTimeout)),
    "silent at once": Fault(lambda _: [silence()], (FirstTimeout,), arrive=_none),
    "refused": Fault(lambda _: [reply({"error": "no"}, 503)], (ResponseError,), arrive=_none),
    "hung up at once": Fault(lambda _: [close()], (ConnectError,), arrive=_none),
    "reset at once": Fault(lambda _: [reset()], (ConnectError,), arrive=_none),
    # What would keep the hub busy, if it let one server have it.
    "flood of heads": Fault(
        lambda _: [raw(b"HTTP/1.1 100 Continue\r\n\r\n" * 20_000), close()],
        (ConnectError,),
        arrive=_none,
    ),
    "long cookies": Fault(
        lambda _: [raw(_OK + (b"Set-Cookie: " + b"a=b;" * 16_000 + b"\r\n") * 40), close()],
        (ConnectError,),
        arrive=_none,
    ),
    "blanks in chunks": Fault(
        lambda _: [raw(_OK + _CHUNKED + b"1\r\n \r\n" * 30_000), close()],
        (StreamBroken,),
        arrive=_none,
    ),
    "compressed nothing": Fault(
        lambda _: [raw(_OK + _DEFLATED + b"\x00\x00\x00\xff\xff" * 100_000), close()],
        (StreamBroken,),
        arrive=_none,
    ),
    "no HTTP": Fault(lambda _: [raw(b"hello\r\n\r\n"), close()], (ConnectError,), arrive=_none),
}


def answer(request: Request) -> list[Step]:
    """Do to a request what its prompt asks for."""
    plan = Plan(**json.loads(request.json["messages"][0]["content"]))
    return FAULTS[plan.fault].script(plan)
