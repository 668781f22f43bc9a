"""A file of answers to a matrix that `numpy.load` reads, without having all of it in memory.

Runs on the caller's thread. numpy is an extra, and imported when it is needed.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from ollama_sync._wire import loads
from ollama_sync.errors import RequestError
from ollama_sync.fleet.batch.results import answers_in


def check(verb: str) -> None:
    """Do nothing, if a matrix can be made of the answers.

    Raises:
        RequestError: they are no vectors, or numpy is not installed.
    """
    if verb != "embed":
        raise RequestError(f"output: a .npy file holds vectors, and the answers of {verb} are none")
    try:
        import numpy as np  # noqa: F401 - only whether it is there
    except ImportError as error:
        raise RequestError(
            "output: a .npy file needs numpy: pip install 'ollama_sync[numpy]'"
        ) from error


def write(answers: Path, keys: Iterable[str], to: Path) -> None:
    """Write the vectors of a file of answers as a float32 matrix, a row a text.

    Args:
        answers: the file.
        keys: in the order of the rows.
        to: where the matrix goes; what is there stays until it is whole.
    """
    import numpy as np

    sizes: dict[str, int] = {}
    width = 0
    for key, _, line in answers_in(answers):
        vectors = _vectors(line)
        sizes[key] = len(vectors)
        width = width or len(vectors[0])
    starts: dict[str, int] = {}
    rows = 0
    for key in keys:
        starts[key] = rows
        rows += sizes[key]
    beside = to.with_name(f"{to.name}.new")
    matrix: Any = np.lib.format.open_memmap(beside, "w+", np.float32, (rows, width))
    for key, _, line in answers_in(answers):
        matrix[starts[key] : starts[key] + sizes[key]] = _vectors(line)
    matrix.flush()
    beside.replace(to)


def _vectors(line: bytes) -> list[list[float]]:
    found = loads(line)
    if "custom_id" in found:
        return [row["embedding"] for row in found["response"]["body"]["data"]]
    vectors: list[list[float]] = found["reply"]["embeddings"]
    return vectors
