r"""Takes the framing of HTTP/1.1's chunked transfer coding off a byte stream (RFC 9112, section 7.1).

Strategy: a state machine that walks from chunk to chunk, with one shortcut. Ollama sends one line per chunk, so a large
read is `size CR LF line LF CR LF` over and over. Split at LF, that is a list of which every third piece is a size, a
line, and a lone CR. If every size equals its line's length, then the lines are the chunks: proved, not guessed, and at
the speed of C. If one does not, the whole read takes the long way.

Pure; runs on the hub.
"""

from __future__ import annotations

# Bytes; the longest size line (with extensions) or trailer, and the longest trailer section, that are accepted.
_MAX_FRAMING_LINE = 4096
_MAX_TRAILERS = 65536

# Bytes; below this, splitting costs more than it saves.
_SHORTCUT_FROM = 1024

_HEX = frozenset(b"0123456789abcdefABCDEF")
_MAX_DIGITS = 16

_SIZE, _DATA, _DATA_END, _TRAILERS, _DONE = range(5)


class BadFraming(Exception):
    """The bytes do not follow the protocol's framing."""


class Dechunker:
    r"""Chunked bytes in, body bytes out.

    Example:
        >>> dechunker = Dechunker()
        >>> dechunker.feed(b"5\r\nhel")
        b'hel'
        >>> dechunker.feed(b"lo\r\n0\r\n\r\n")
        b'lo'
        >>> dechunker.done
        True
    """

    __slots__ = ("_fault", "_need", "_rest", "_state", "_trailers", "done")

    def __init__(self) -> None:
        self._state = _SIZE
        self._need = 0  # bytes of the current chunk that are still to come
        self._rest = b""  # an unfinished piece of framing, at most a few KiB
        self._trailers = 0
        self._fault: BadFraming | None = None
        self.done = False
        """Whether the last chunk and its trailers have been read."""

    @property
    def broken(self) -> bool:
        """Whether the next `feed` will raise: what was right before the fault has been returned."""
        return self._fault is not None

    @property
    def excess(self) -> bytes:
        """What came behind the end of the body: nothing, from a server that keeps to the protocol."""
        return self._rest if self.done else b""

    def feed(self, data: bytes) -> bytes:
        """Return the body bytes that `data` holds, up to a fault.

        Raises:
            BadFraming: a size is not a hexadecimal number, or a chunk does not end where it said. At once when nothing
                precedes the fault, and else at the next call.
        """
        if self._fault is not None:
            raise self._fault
        if self._state == _DATA and len(data) <= self._need:
            self._advance(len(data))
            return data
        if self._state == _SIZE and not self._rest and (line := _one_chunk(data)):
            return line
        if self._rest:
            data = self._rest + data
            self._rest = b""
        body: list[bytes] = []
        try:
            self._walk(data, body)
        except BadFraming as fault:
            if not any(body):
                raise
            self._fault = fault
        return b"".join(body)

    def _walk(self, data: bytes, body: list[bytes]) -> None:
        """Go from chunk to chunk, adding to `body`; keep what is left over."""
        at = 0
        shortcut = len(data) >= _SHORTCUT_FROM
        while self._state != _DONE:
            if self._state == _DATA:
                piece = data[at : at + self._need]
                if not piece:
                    break
                body.append(piece)
                at += len(piece)
                self._advance(len(piece))
                continue
            if shortcut and self._state == _SIZE:
                shortcut = False  # once a read: what it leaves over is short, or not of its kind
                lines, length = _one_line_chunks(data[at:])
                body.append(lines)
                at += length
            end = data.find(b"\n", at)
            if (len(data) if end < 0 else end) - at > _MAX_FRAMING_LINE:
                raise BadFraming(f"a chunk header of more than {_MAX_FRAMING_LINE} bytes")
            if end < 0:
                break
            self._framing_line(data[at:end])
            at = end + 1
        self._rest = data[at:]

    def _advance(self, size: int) -> None:
        self._need -= size
        if not self._need:
            self._state = _DATA_END

    def _framing_line(self, line: bytes) -> None:
        """Take the next state from a line that is framing and not body."""
        if self._state == _SIZE:
            self._need = _chunk_size(line)
            self._state = _DATA if self._need else _TRAILERS
        elif self._state == _DATA_END:
            if line != b"\r":
                raise BadFraming(
                    f"a chunk is longer than its size says; it goes on with {line[:40]!r}"
                )
            self._state = _SIZE
        elif line in (b"\r", b""):
            self._state = _DONE
            self.done = True
        else:
            self._trailers += len(line)
            if self._trailers > _MAX_TRAILERS:
                raise BadFraming(f"trailers of more than {_MAX_TRAILERS} bytes")


def _chunk_size(line: bytes) -> int:
    digits = line.partition(b";")[0].strip(b" \t\r")
    if not digits or len(digits) > _MAX_DIGITS or not _HEX.issuperset(digits):
        raise BadFraming(f"{line[:40]!r} is not the size of a chunk")
    return int(digits, 16)


def _one_chunk(data: bytes) -> bytes:
    """Return the body of `data` if that is just one whole chunk, as each read of a slow stream is; else b""."""
    start = data.find(b"\r\n") + 2
    size, body = data[: start - 2], data[start:-2]
    if (
        1 < start <= _MAX_DIGITS + 2
        and data[-2:] == b"\r\n"
        and _HEX.issuperset(size)
        and int(size or b"0", 16) == len(body)
    ):
        return body
    return b""


def _one_line_chunks(data: bytes) -> tuple[bytes, int]:
    """Return the body of the leading chunks if each is just one line, and how long they are with their framing."""
    pieces = data.split(b"\n")
    count = (len(pieces) - 1) // 3 * 3
    sizes, lines, ends = pieces[0:count:3], pieces[1:count:3], pieces[2:count:3]
    if not lines or ends.count(b"\r") != len(ends):
        return b"", 0
    # A stream has few different lengths of lines, so that few pairs are left to be looked at one by one.
    for size, length in set(zip(sizes, map(len, lines), strict=True)):
        if (
            _HEX.issuperset(size[:-1])
            and size[-1:] == b"\r"
            and len(size) <= _MAX_DIGITS + 1
            and int(size[:-1] or b"0", 16) == length + 1
        ):
            continue
        return b"", 0
    rest = pieces[count:]
    return b"\n".join(lines) + b"\n", len(data) - sum(map(len, rest)) - (len(rest) - 1)
