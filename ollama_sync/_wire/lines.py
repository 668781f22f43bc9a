r"""Frames a byte stream into blocks of whole lines.

Strategy: a line ends at a `\n` byte and nowhere else: U+0085, U+2028 and U+2029 may stand raw inside a JSON string, a
newline may not. The framer does not split; it cuts what has arrived behind the last newline and hands on that block, so
its work does not grow with the number of lines. Pieces of an unfinished line are kept in a list and joined once, so a
line that comes in many pieces costs time linear in its length.

Pure; runs on the hub.
"""

from __future__ import annotations

from ollama_sync._wire.chunked import BadFraming

MAX_LINE = 64 * 1024 * 1024
"""Bytes; the default cap on one line. Ollama's own client allows 8 MiB."""


class LineFramer:
    r"""Bytes in, blocks of whole lines out.

    Args:
        max_line: bytes; the longest line that is accepted.

    Example:
        >>> framer = LineFramer()
        >>> framer.feed(b'{"a":1}\n{"b"')
        b'{"a":1}\n'
        >>> framer.feed(b':2}')
        b''
        >>> framer.close()
        b'{"b":2}\n'
    """

    __slots__ = ("_max_line", "_rest", "_rest_size")

    def __init__(self, max_line: int = MAX_LINE) -> None:
        self._max_line = max_line
        self._rest: list[bytes] = []
        self._rest_size = 0

    def feed(self, data: bytes) -> bytes:
        r"""Return the whole lines that `data` completes, each with its `\n`; b"" when it completes none.

        Raises:
            BadFraming: a line is longer than the cap.
        """
        cut = data.rfind(b"\n") + 1
        if cut > self._max_line:  # as a rule, no read is that long
            self._check(max(map(len, data.split(b"\n"))))
        if not cut:
            self._keep(data)
            return b""
        if self._rest:
            self._check(self._rest_size + data.find(b"\n"))
            self._rest.append(data[:cut])
            block = b"".join(self._rest)
            self._rest.clear()
            self._rest_size = 0
        else:
            block = data if cut == len(data) else data[:cut]
        if cut != len(data):
            self._keep(data[cut:])
        return block

    def close(self) -> bytes:
        """Return the last line if it lacks its newline (Ollama's error lines do), with one; else b""."""
        rest = b"".join(self._rest)
        self._rest.clear()
        self._rest_size = 0
        return rest + b"\n" if rest else b""

    def _keep(self, piece: bytes) -> None:
        self._check(self._rest_size + len(piece))
        self._rest.append(piece)
        self._rest_size += len(piece)

    def _check(self, size: int) -> None:
        if size > self._max_line:
            raise BadFraming(f"a line of more than {self._max_line} bytes")
