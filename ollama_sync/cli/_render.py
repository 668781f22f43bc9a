"""Text for a terminal: a table, and an error in one line. Pure functions, on any thread."""

from __future__ import annotations

from collections.abc import Sequence


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


def duration(seconds: float) -> str:
    """Return seconds as a person reads them.

    Example:
        >>> duration(0.00123), duration(3.04159), duration(50.05)
        ('1.2 ms', '3.04 s', '50.0 s')
    """
    if seconds < 1:
        return f"{seconds * 1e3:.1f} ms"
    return f"{seconds:.2f} s" if seconds < 10 else f"{seconds:.1f} s"
