"""Changes recorded replies at random, and decodes them by the road of the SDK and by a slow one that is obvious.

    python tests/soak/fuzz_bytes.py [--seconds 60] [--seed N]

Dechunker, framer and codec, in a row as a stream has them, fed with reads that are cut anywhere, must give what the reference
gives of all bytes at once: the same objects before the first fault, and a fault in the same kind of place. What the property
tests of each of them cannot have is the bytes: those of a real server, wrong in a few places. Prints each seed that fails.
"""

from __future__ import annotations

import argparse
import itertools
import sys
import time
from pathlib import Path
from random import Random
from typing import Any, NamedTuple

import ujson

from ollama_sync._wire import BadFraming, Dechunker, LineFramer, loads_block

DATA = Path(__file__).parents[1] / "wire" / "data"
LONGEST = 20_000  # bytes of a reply; longer ones are like them

# As the package has them.
FRAMING_LINE, TRAILERS = 4096, 65536

# What decoders trip over.
PIECES = [b"\n", b"\r\n", b"0\r\n", b"}\n{", b"},{", b"\r\n\r\n", b"fff\r\n", b";name=its value"]


class Decoded(NamedTuple):
    """What a reply was understood as: its objects, and where it went wrong."""

    parts: list[Any]
    fault: str | None
    ended: bool


def bodies() -> list[bytes]:
    """Return the chunked bodies of the recorded replies."""
    found = []
    for path in sorted(DATA.glob("*.response")):
        head, _, body = path.read_bytes().partition(b"\r\n\r\n")
        if b"transfer-encoding: chunked" in head.lower():
            found.append(body[:LONGEST])
    return found


def changed(body: bytes, random: Random) -> bytes:
    """Change a few bytes: others in their place, left out, doubled, moved."""
    for _ in range(random.randint(0, 3)):
        at = random.randrange(len(body))
        size = random.choice([1, 1, 2, 5, 40])
        piece = body[at : at + size]
        new = random.choice(
            [
                b"",
                piece * 2,
                bytes(random.randrange(256) for _ in piece),
                random.choice(PIECES),
                body[(other := random.randrange(len(body))) : other + size],
            ]
        )
        body = body[:at] + new + body[at + size :] or b"\n"
    return body


def reads(body: bytes, random: Random) -> list[bytes]:
    """Cut it as a network might."""
    most = random.choice([0, 1, 3, 30])
    edges = sorted({0, len(body), *(random.randrange(len(body)) for _ in range(most))})
    return [body[start:end] for start, end in itertools.pairwise(edges)]


def by_the_sdk(pieces: list[bytes]) -> Decoded:
    """Decode as a stream does."""
    dechunker, framer = Dechunker(), LineFramer()
    parts: list[Any] = []

    def bad(block: bytes) -> bool:
        found, wrong = loads_block(block)
        parts.extend(found)
        return wrong is not None

    try:
        for piece in pieces:
            if bad(framer.feed(dechunker.feed(piece))):
                return Decoded(parts, "line", ended=False)
            if dechunker.done:
                break
        if dechunker.broken:
            dechunker.feed(b"")
    except BadFraming:
        return Decoded(parts, "framing", ended=False)
    if dechunker.done and bad(framer.close()):
        return Decoded(parts, "line", ended=False)
    return Decoded(parts, None, dechunker.done)


def by_the_book(body: bytes) -> Decoded:
    """Decode all of it at once: first the chunks, then the lines, one after the other."""
    text, fault, ended = _without_framing(body)
    *lines, rest = text.split(b"\n")
    parts: list[Any] = []
    for line in [*lines, rest] if ended else lines:
        if line.strip():
            try:
                part = ujson.loads(line)
            except ValueError:
                return Decoded(parts, "line", ended=False)
            if not isinstance(part, dict):
                return Decoded(parts, "line", ended=False)
            parts.append(part)
    return Decoded(parts, fault, ended)


def _without_framing(data: bytes) -> tuple[bytes, str | None, bool]:
    """Return the body, what is wrong with its framing, and whether it has come to its end."""
    body = b""
    while True:
        line, newline, data = data.partition(b"\n")
        if len(line) > FRAMING_LINE:
            return body, "framing", False
        if not newline:
            return body, None, False
        digits = line.partition(b";")[0].strip(b" \t\r")
        if not 0 < len(digits) <= 16 or digits.strip(b"0123456789abcdefABCDEF"):
            return body, "framing", False
        size = int(digits, 16)
        if not size:
            return (body, *_trailers(data))
        body += data[:size]
        data = data[size:]
        line, newline, data = data.partition(b"\n")
        if len(line) > FRAMING_LINE or (newline and line != b"\r"):
            return body, "framing", False
        if not newline:
            return body, None, False


def _trailers(data: bytes) -> tuple[str | None, bool]:
    total = 0
    while True:
        line, newline, data = data.partition(b"\n")
        total += len(line)
        if len(line) > FRAMING_LINE or (newline and total > TRAILERS):
            return "framing", False
        if not newline:
            return None, False
        if line in (b"\r", b""):
            return None, True


def deceives(body: bytes) -> bool:
    """Tell whether lines that are no objects might be when they are joined by commas; that is let pass, see `loads_block`."""
    return any(b"},{" in line for line in _without_framing(body)[0].split(b"\n"))


def failure(original: list[bytes], seed: str) -> str | None:
    """Try one change; say what differs."""
    random = Random(seed)
    body = changed(random.choice(original), random)
    expected, got = by_the_book(body), by_the_sdk(reads(body, random))
    if repr(expected) == repr(got) or deceives(body):  # NaN is not equal to itself
        return None
    return (
        f"seed {seed}: expected {str(expected)[-300:]}\ngot {str(got)[-300:]}\nof {body[:2000]!r}"
    )


def main() -> int:
    """Run it; return the exit code."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--seed", default=str(time.time_ns()))
    options = parser.parse_args()
    original = bodies()
    until = time.monotonic() + options.seconds
    for number in itertools.count():
        if found := failure(original, f"{options.seed}/{number}"):
            print(found)
            return 1
        if time.monotonic() > until:
            break
    print(f"{number + 1} replies, seed {options.seed}: nothing differs")
    return 0


if __name__ == "__main__":
    sys.exit(main())
