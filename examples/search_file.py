"""How does one search vectors that the command line has stored? With numpy: one product of a matrix and a vector.

ollama-sync embed all-minilm --lines notes.txt --out notes.npy
python search_file.py notes.txt notes.npy "something hot to drink"
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy

import ollama_sync as ollama

MODEL = "all-minilm"
BEST = 5


def main(texts: str, vectors: str, question: str) -> None:
    lines = Path(texts).read_text(encoding="utf-8").splitlines()
    index = numpy.load(vectors)  # a row a line
    (asked,) = ollama.embed(MODEL, question).to_numpy()
    # The vectors have length one, so their product is the cosine of the angle between them.
    scores = index @ asked
    for number in numpy.argsort(-scores)[:BEST]:
        print(f"{scores[number]:5.2f}  {lines[number]}")


if __name__ == "__main__":
    main(*sys.argv[1:4])
