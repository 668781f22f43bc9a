"""The server's timestamps (RFC 3339) as datetimes.

Pure, on any thread. `datetime.fromisoformat` cannot be used: before Python 3.11 it refuses the nine
fractional digits and the `Z` that Ollama sends.
"""

from __future__ import annotations

import re
from datetime import datetime, timedelta, timezone

__all__ = ["parse_time"]

_RFC3339 = re.compile(
    r"(\d{4})-(\d\d)-(\d\d)[Tt ](\d\d):(\d\d):(\d\d)(?:\.(\d+))?(?:([Zz])|([+-])(\d\d):?(\d\d))?",
    re.ASCII,
)


def parse_time(text: str) -> datetime:
    """Read a timestamp of the server.

    Args:
        text: RFC 3339, with any number of fractional digits; those past microseconds are dropped.

    Returns:
        The time in the offset that the text names (naive when it names none). Go's zero time
        (`0001-01-01T00:00:00Z`, "never") and times in the 2300s ("forever") are ordinary results.

    Raises:
        ValueError: the text is no such time.

    Example:
        >>> parse_time("2026-11-22T13:15:20.086615039Z").microsecond
        86615
    """
    match = _RFC3339.fullmatch(text)
    if match is None:
        raise ValueError(f"{text!r} is not an RFC 3339 time; the text as sent is in to_dict()")
    *numbers, fraction, utc, sign, hours, minutes = match.groups()
    zone = None
    if utc:
        zone = timezone.utc
    elif sign:
        offset = timedelta(hours=int(hours), minutes=int(minutes))
        zone = timezone(-offset if sign == "-" else offset)
    year, month, day, hour, minute, second = map(int, numbers)
    microsecond = int((fraction or "")[:6].ljust(6, "0"))
    return datetime(year, month, day, hour, minute, second, microsecond, tzinfo=zone)
