"""The load server of the benchmarks: one thread, one epoll loop, in a process of its own. Linux.

    python load_server.py            prints its port, serves until its standard input closes

What to send is in the request's `model`:

    pour:N              N parts, as fast as the socket takes them (encoded beforehand: 512 parts a write)
    pace:N:SECONDS      part k at k * SECONDS after the request, by a schedule that does not drift; one write each
    hold                one part, then silence until the client leaves
    line:BYTES          one part whose text is that long

Each part is one HTTP chunk with one JSON line, as Ollama sends it; the headers leave with the first. The text of a paced
part is the time at which it was written, in seconds of the system-wide monotonic clock: latencies are read from that.
Calls that do not stream get a prepared body. `GET /report` gives, since the last report, the share of a core that the
server used and how late its writes were against their schedule, so that each result comes with the proof that the server
was not what was measured.

It is not asyncio, so that 20,000 paced writes a second fit on a part of one core. Pouring into a reader that throws the
bytes away, it was measured at 0.13 to 0.2 us a part, of which 0.04 us were its own processor time.
"""

from __future__ import annotations

import gc
import heapq
import json
import os
import select
import socket
import sys
import time

from replies import BURST, HEAD, Style, style_of, whole_reply, with_length

# Events served before the clock is looked at again: a thousand connects at once must not hold up the paced writes.
_EVENTS = 16


class Connection:
    """One client's connection, and the reply that it is getting."""

    def __init__(self, sock: socket.socket) -> None:
        self.sock = sock
        self.request = b""
        self.out = b""  # what the socket did not take
        self.style: Style | None = None
        self.bursts: list[bytes] = []  # what is left to pour, the last first
        self.lead = b""  # leaves with the next paced part
        self.left = 0  # paced parts to come
        self.interval = 0.0
        self.generation = 0  # of replies; a timer of an earlier one is void
        self.writable_wanted = False


class LoadServer:
    """The loop, its timers, and its record of itself."""

    def __init__(self) -> None:
        self.listener = socket.create_server(("127.0.0.1", 0), backlog=4096)
        self.listener.setblocking(False)
        self.epoll = select.epoll()
        self.connections: dict[int, Connection] = {}
        self.timers: list[tuple[float, int, int, Connection]] = []
        self.count = 0
        self.reset()
        self.epoll.register(self.listener, select.EPOLLIN)
        self.epoll.register(sys.stdin, select.EPOLLIN)

    def reset(self) -> None:
        """Begin a new record."""
        self.late: list[float] = []
        self.accepted = 0
        self.began: tuple[float, float] | None = None  # clock and CPU at the first request
        self.wrote = 0.0

    def report(self) -> bytes:
        """Return the record as JSON and begin a new one."""
        late = sorted(self.late) or [0.0]
        clock, cpu = self.began or (0.0, time.process_time())
        record = {
            "core_share": (time.process_time() - cpu) / max(self.wrote - clock, 1e-3),
            "paced_writes": len(self.late),
            "late_p50_ms": late[len(late) // 2] * 1e3,
            "late_p99_ms": late[int(len(late) * 0.99)] * 1e3,
            "late_max_ms": late[-1] * 1e3,
            "accepted": self.accepted,
        }
        self.reset()
        return json.dumps(record).encode()

    def run(self) -> None:
        """Serve until standard input closes."""
        epoll_fd = self.epoll.fileno()
        while True:
            self.tick()
            wait = max(0.0, self.timers[0][0] - time.monotonic()) if self.timers else None
            # epoll's own timeout counts in milliseconds; select's, on the epoll descriptor, in microseconds.
            select.select([epoll_fd], [], [], wait)
            for fd, event in self.epoll.poll(0, _EVENTS):
                if fd == self.listener.fileno():
                    self.accept()
                elif fd == sys.stdin.fileno():
                    return
                elif event & select.EPOLLOUT:
                    self.flush(self.connections[fd])
                elif fd in self.connections:
                    self.receive(self.connections[fd])

    def accept(self) -> None:
        """Take one waiting connection; the loop comes back for the next."""
        try:
            sock, _ = self.listener.accept()
        except BlockingIOError:
            return
        sock.setblocking(False)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.accepted += 1
        self.connections[sock.fileno()] = Connection(sock)
        self.epoll.register(sock, select.EPOLLIN)

    def receive(self, conn: Connection) -> None:
        """Read on, and answer when the request is whole."""
        try:
            data = conn.sock.recv(1 << 20)
        except ConnectionError:
            data = b""
        if not data:
            self.drop(conn)
            return
        conn.request += data
        head, found, body = conn.request.partition(b"\r\n\r\n")
        if not found:
            return
        _, _, length = head.lower().partition(b"\r\ncontent-length:")
        if len(body) < int(length.partition(b"\r\n")[0] or b"0"):
            return
        conn.request = b""
        self.answer(conn, head.split(b" ", 2)[1].decode(), body)

    def answer(self, conn: Connection, path: str, body: bytes) -> None:
        """Begin the reply to one request."""
        if path == "/report":
            self.write(conn, with_length(self.report()))
            return
        if self.began is None:
            self.began = time.monotonic(), time.process_time()
        asked = json.loads(body)
        style = style_of(path) if asked.get("stream") else None
        if style is None:
            self.write(conn, whole_reply(path, asked))
            return
        conn.style = style
        conn.generation += 1
        kind, *numbers = asked["model"].split(":")
        if kind == "pour":
            times, rest = divmod(int(numbers[0]), BURST)
            conn.bursts = [style.end, style.chunk(b" token") * rest, *[style.burst] * times]
            self.write(conn, HEAD)
        elif kind == "line":
            self.write(conn, HEAD + style.chunk(b"x" * int(numbers[0])) + style.end)
        elif kind == "hold":
            self.write(conn, HEAD + style.chunk(b"%017.6f" % time.monotonic()))
        else:
            conn.left, conn.interval = int(numbers[0]), float(numbers[1])
            conn.lead = HEAD
            self.schedule(conn, time.monotonic() + conn.interval)

    def schedule(self, conn: Connection, due: float) -> None:
        """Have the next part of a paced reply written at `due`."""
        self.count += 1  # so that no two timers compare equal
        heapq.heappush(self.timers, (due, self.count, conn.generation, conn))

    def tick(self) -> None:
        """Write every paced part that is due, the earliest first."""
        while self.timers and self.timers[0][0] <= time.monotonic():
            due, _, generation, conn = heapq.heappop(self.timers)
            if conn.style is None or conn.generation != generation:
                continue  # the client has left
            now = time.monotonic()
            self.late.append(now - due)
            data = conn.lead + conn.style.chunk(b"%017.6f" % now)
            conn.lead = b""
            conn.left -= 1
            if conn.left:
                self.schedule(conn, due + conn.interval)
            else:
                data += conn.style.end
            self.write(conn, data)

    def write(self, conn: Connection, data: bytes) -> None:
        """Send, behind what is still waiting."""
        conn.out = conn.out + data if conn.out else data
        self.flush(conn)

    def flush(self, conn: Connection) -> None:
        """Send what the socket takes now; when pouring, one burst, so that others have their turn."""
        try:
            if not conn.out and conn.bursts:
                conn.out = conn.bursts.pop()
            conn.out = conn.out[conn.sock.send(conn.out) :]
            self.wrote = time.monotonic()
        except BlockingIOError:
            pass
        except ConnectionError:
            self.drop(conn)
            return
        wanted = bool(conn.out or conn.bursts)
        if wanted != conn.writable_wanted:
            conn.writable_wanted = wanted
            self.epoll.modify(conn.sock, select.EPOLLIN | select.EPOLLOUT * wanted)

    def drop(self, conn: Connection) -> None:
        """Forget a connection that the client has closed."""
        conn.style = None
        self.connections.pop(conn.sock.fileno(), None)
        conn.sock.close()  # epoll forgets it by itself


def main() -> None:
    """Serve until standard input closes."""
    try:
        os.nice(-10)
    except PermissionError:
        pass  # then the report of its lateness says whether the schedule held
    server = LoadServer()
    gc.disable()  # it makes no cycles to speak of, and a collection would be lateness
    print(server.listener.getsockname()[1], flush=True)
    server.run()


if __name__ == "__main__":
    main()
