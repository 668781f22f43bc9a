"""The wire room: bytes to lines to JSON and back. No I/O, no gevent, no clock; runs on any thread."""

from ollama_sync._wire.chunked import BadFraming, Dechunker
from ollama_sync._wire.codec import (
    BadLine,
    dumps,
    error_line,
    loads,
    loads_block,
    loads_whole,
    said,
)
from ollama_sync._wire.lines import LineFramer
from ollama_sync._wire.whole import WholeBody

__all__ = [
    "BadFraming",
    "BadLine",
    "Dechunker",
    "LineFramer",
    "WholeBody",
    "dumps",
    "error_line",
    "loads",
    "loads_block",
    "loads_whole",
    "said",
]
