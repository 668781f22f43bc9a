"""Text for a terminal: tables, sizes, times, and what must be one line. Pure functions, on any thread."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING

from ollama_sync.cli._escapes import visible

if TYPE_CHECKING:
    from ollama_sync import View

_SPANS = (
    ("year", 365 * 86_400),
    ("month", 30 * 86_400),
    ("week", 7 * 86_400),
    ("day", 86_400),
    ("hour", 3_600),
    ("minute", 60),
    ("second", 1),
)


def one_line(text: str) -> str:
    r"""Return `text` with every run of white space, line ends too, as one space.

    Example:
        >>> one_line("no such model:\n  'x'")
        "no such model: 'x'"
    """
    return " ".join(text.split())


def table(rows: Sequence[Sequence[str]]) -> str:
    """Return rows of cells as lines: the first column to the left, the others to the right.

    Args:
        rows: each with the same number of cells.

    Example:
        >>> print(table([["", "one", "two"], ["tokens/s", "20", "331"]]))
                  one  two
        tokens/s   20  331
    """
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = []
    for first, *others in rows:
        cells = [first.ljust(widths[0])]
        cells += [cell.rjust(width) for cell, width in zip(others, widths[1:], strict=True)]
        lines.append("  ".join(cells).rstrip())
    return "\n".join(lines)


def columns(rows: Sequence[Sequence[str]]) -> str:
    """Return rows of cells as lines: every column to the left, four blanks between two.

    Args:
        rows: each with the same number of cells.

    Example:
        >>> print(columns([["NAME", "SIZE"], ["mine:latest", "2 GB"]]))
        NAME           SIZE
        mine:latest    2 GB
    """
    rows = [[visible(cell) for cell in row] for row in rows]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return "\n".join(
        "    ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in rows
    )


def folded(rows: Sequence[Sequence[str]], width: int | None) -> str:
    """Return rows as `columns` does where they fit, else each row as lines of its own: title and cell.

    Args:
        rows: the first one holds the titles.
        width: of the terminal, in columns; None is without end.

    Example:
        >>> print(folded([["NAME", "SIZE"], ["mine:latest", "2 GB"]], 18))
        NAME  mine:latest
        SIZE  2 GB
    """
    text = columns(rows)
    if width is None or max(map(len, text.splitlines())) <= width:
        return text
    titles, *records = rows
    longest = max(map(len, titles))
    return "\n\n".join(
        "\n".join(
            f"{title.ljust(longest)}  {visible(cell)}"
            for title, cell in zip(titles, record, strict=True)
        )
        for record in records
    ) or "\n".join(titles)


def json_line(view: View, encoding: str | None) -> str:
    """Return a reply as one line of JSON, which keeps every character: what the encoding lacks is escaped.

    Args:
        view: the reply.
        encoding: of where it is written; None is UTF-8.
    """
    line = view.model_dump_json()
    try:
        line.encode(encoding or "utf-8")
    except UnicodeEncodeError:
        return json.dumps(view.to_dict(), separators=(",", ":"))
    return line


def duration(seconds: float) -> str:
    """Return seconds as a person reads them.

    Example:
        >>> duration(0.00123), duration(3.04159), duration(50.05)
        ('1.2 ms', '3.04 s', '50.0 s')
    """
    if seconds < 1:
        return f"{seconds * 1e3:.1f} ms"
    return f"{seconds:.2f} s" if seconds < 10 else f"{seconds:.1f} s"


def size(count: float) -> str:
    """Return bytes as a person reads them: three digits, powers of 1000.

    Example:
        >>> size(999), size(2_019_393_189), size(270_898_672)
        ('999 B', '2.02 GB', '271 MB')
    """
    value, unit = count, "B"
    for larger in ("KB", "MB", "GB", "TB"):
        if value < 999.5:
            break
        value, unit = value / 1000, larger
    digits = 0 if unit == "B" or value >= 99.95 else 1 if value >= 9.995 else 2
    return f"{value:.{digits}f} {unit}"


def time_left(seconds: float) -> str:
    """Return the rest of a wait as a person reads it.

    Example:
        >>> time_left(41.7), time_left(185), time_left(7380)
        ('42s', '3m 05s', '2h 03m')
    """
    whole = round(seconds)
    if whole < 60:
        return f"{whole}s"
    if whole < 3600:
        return f"{whole // 60}m {whole % 60:02}s"
    return f"{whole // 3600}h {whole % 3600 // 60:02}m"


def when(time: datetime, now: datetime) -> str:
    """Return how far a time is from now.

    Example:
        >>> from datetime import timedelta, timezone
        >>> now = datetime(2026, 1, 1, tzinfo=timezone.utc)
        >>> when(now - timedelta(hours=49), now), when(now + timedelta(seconds=299), now)
        ('2 days ago', '4 minutes from now')
    """
    seconds = (now - time).total_seconds()
    return f"{_span(abs(seconds))} {'ago' if seconds >= 0 else 'from now'}"


def _span(seconds: float) -> str:
    for name, length in _SPANS:
        if seconds >= length:
            number = int(seconds // length)
            return f"{number} {name}{'' if number == 1 else 's'}"
    return "less than a second"
