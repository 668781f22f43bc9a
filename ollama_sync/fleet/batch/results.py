"""The file of answers: one whole line each, appended, and read again at the next start.

A line is `{"key", "mark", "reply"}`, or with "error" and "type" in place of the reply; an answer to a line of OpenAI's format is in
that format, with "mark" beside. Runs on the caller's thread, which alone writes the file: a second process is refused by a lock.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO, NamedTuple

from ollama_sync._wire import dumps, loads
from ollama_sync.errors import RequestError
from ollama_sync.fleet.batch import openai_lines
from ollama_sync.fleet.batch.records import Record

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment] # there is no lock then

_TAIL = 1024 * 1024


class Known(NamedTuple):
    """What the file says of one key.

    Args:
        mark: of the request.
        ok: whether it was answered.
    """

    mark: str
    ok: bool


class Results:
    """A file of answers, open for appending.

    Args:
        path: of the file; made where there is none.
        retry_failed: leave out of it what failed, so that it is asked again.

    Attributes:
        known: what earlier runs have written, by key.

    Raises:
        OSError: it cannot be opened.
        RequestError: another process writes it, or it is no file of answers.
    """

    def __init__(self, path: str | os.PathLike[str], *, retry_failed: bool = False) -> None:
        self._path = Path(path)
        self._file: BinaryIO = self._path.open("a+b", buffering=0)
        try:
            self._lock()
            self._mend()
            if retry_failed:
                self._leave_out_failed()
            self.known = known_in(self._path)
        except BaseException:
            self._file.close()
            raise

    def write(self, line: dict[str, Any]) -> None:
        """Append a line, whole: by one call of the system, so that an end of the process cannot cut it.

        Raises:
            OSError: the disk is full, say. What was written of the line is cut off at the next start.
        """
        data = dumps(line) + b"\n"
        written = self._file.write(data)
        while written is not None and written < len(data):  # a full disk says so at the next call
            data = data[written:]
            written = self._file.write(data)

    def close(self) -> None:
        """Have it on the disk, and let others write."""
        if not self._file.closed:
            os.fsync(self._file.fileno())
            self._file.close()

    def __enter__(self) -> Results:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def _lock(self) -> None:
        if fcntl is None:
            return
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise RequestError(
                f"{self._path}: another process writes its answers there; wait for it, or choose another output"
            ) from error

    def _mend(self) -> None:
        """Cut off a line that was not written to its end."""
        size = end = self._file.seek(0, os.SEEK_END)
        while end > 0:
            start = max(0, end - _TAIL)
            self._file.seek(start)
            newline = self._file.read(end - start).rfind(b"\n")
            if newline >= 0:
                end = start + newline + 1
                break
            end = start
        if end != size:
            self._file.truncate(end)

    def _leave_out_failed(self) -> None:
        """Write the file anew without what failed. The old one is there until the new one is whole."""
        beside = self._path.with_name(f"{self._path.name}.new")
        with beside.open("wb") as new:
            for _, known, line in answers_in(self._path):
                if known.ok:
                    new.write(line)
            new.flush()
            os.fsync(new.fileno())
        beside.replace(self._path)
        self._file.close()
        self._file = self._path.open("a+b", buffering=0)
        self._lock()


def known_in(path: Path) -> dict[str, Known]:
    """Return what a file of answers says, by key. A line that was not written to its end counts for nothing.

    Raises:
        RequestError: it is no file of answers.
    """
    return {key: known for key, known, _ in answers_in(path)}


def answers_in(path: Path) -> Iterator[tuple[str, Known, bytes]]:
    """Yield the key, what is known, and the line of each answer of a file.

    Raises:
        RequestError: a line is no answer.
    """
    with path.open("rb") as file:
        for number, line in enumerate(file, 1):
            if not line.endswith(b"\n"):
                return
            try:
                found = loads(line)
                key = found["custom_id"] if "custom_id" in found else found["key"]
                known = Known(str(found["mark"]), _is_answer(found))
            except (ValueError, TypeError, KeyError) as error:
                raise RequestError(
                    f"{path}, line {number}: not an answer of a batch; choose another output, or remove the line"
                ) from error
            yield str(key), known, line


def answer_line(record: Record, verb: str, reply: dict[str, Any]) -> dict[str, Any]:
    """Return the line of an answer."""
    if record.is_openai:
        return {**openai_lines.answer(record.key, verb, reply), "mark": record.mark}
    return {"key": record.key, "mark": record.mark, "reply": reply}


def failure_line(record: Record, error: Exception) -> dict[str, Any]:
    """Return the line of a failure."""
    if record.is_openai:
        return {**openai_lines.failure(record.key, error), "mark": record.mark}
    said = {"error": str(error), "type": type(error).__name__}
    return {"key": record.key, "mark": record.mark, **said}


def _is_answer(line: dict[str, Any]) -> bool:
    if "custom_id" in line:
        response = line.get("response")
        return line.get("error") is None and response is not None and response["status_code"] == 200
    return "reply" in line
