"""The load server of the benchmarks: pours or paces recorded-looking parts, in a process of its own.

    python load_server.py            prints its port, serves until its standard input closes

What to send is in the model's name: "pour:N" sends N parts as fast as the socket takes them, "pace:N:SECONDS" one part
every SECONDS by a schedule that does not drift. Each part is one HTTP chunk with one JSON line, as Ollama sends it, and
carries in `created_at` the time at which it was made (seconds of the system-wide monotonic clock), from which the
benchmarks read latencies. The lines of "pour" are encoded beforehand, so that the server is never what is measured.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time

_HEAD = (
    b"HTTP/1.1 200 OK\r\nContent-Type: application/x-ndjson\r\nTransfer-Encoding: chunked\r\n\r\n"
)
_END = b"0\r\n\r\n"
# Parts written at once when pouring: some 60 KB, as much as a client's read takes.
_BURST = 512


def chunk(path: str, text: str, *, done: bool = False) -> bytes:
    """Return one part as an HTTP chunk, in the shape that `path` has."""
    part: dict[str, object] = {"model": "load", "created_at": f"{time.monotonic():.6f}"}
    if path == "/api/chat":
        part["message"] = {"role": "assistant", "content": text}
    else:
        part["response"] = text
    part["done"] = done
    if done:
        part |= {"done_reason": "stop", "eval_count": 1, "total_duration": 1}
    line = json.dumps(part, separators=(",", ":")).encode() + b"\n"
    return b"%x\r\n%s\r\n" % (len(line), line)


async def _pour(writer: asyncio.StreamWriter, path: str, count: int) -> None:
    one = chunk(path, " token")
    burst = one * _BURST
    for _ in range(count // _BURST):
        writer.write(burst)
        await writer.drain()
    writer.write(one * (count % _BURST))


async def _pace(writer: asyncio.StreamWriter, path: str, count: int, interval: float) -> None:
    start = time.monotonic()
    for number in range(count):
        delay = start + number * interval - time.monotonic()
        if delay > 0:
            await asyncio.sleep(delay)
        writer.write(chunk(path, "A"))
        await writer.drain()


async def _serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        while True:
            head = await reader.readuntil(b"\r\n\r\n")
            path = head.split(b" ", 2)[1].decode()
            sizes = [
                line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:")
            ]
            body = await reader.readexactly(int(sizes[0].partition(b":")[2]) if sizes else 0)
            kind, count, *interval = json.loads(body)["model"].split(":")
            writer.write(_HEAD)
            if kind == "pour":
                await _pour(writer, path, int(count))
            else:
                await _pace(writer, path, int(count), float(interval[0]))
            writer.write(chunk(path, "", done=True) + _END)
            await writer.drain()
    except (asyncio.IncompleteReadError, ConnectionError):
        pass  # the client went away
    finally:
        writer.close()


async def main() -> None:
    """Serve until standard input closes."""
    server = await asyncio.start_server(_serve, "127.0.0.1", 0, backlog=4096)
    print(server.sockets[0].getsockname()[1], flush=True)
    await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)
    server.close()


if __name__ == "__main__":
    asyncio.run(main())
