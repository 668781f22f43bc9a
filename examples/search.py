"""How does one search texts by what they mean? By vectors: those of texts with alike meanings point the same way.

Run it by `python search.py "something hot to drink"`.
"""

from __future__ import annotations

import sys
from operator import mul

import ollama_sync as ollama

MODEL = "all-minilm"
TEXTS = [
    "Tea is made from leaves and boiling water.",
    "A violin has four strings.",
    "The Danube flows into the Black Sea.",
    "Coffee beans are roasted before they are ground.",
]


def main(question: str) -> None:
    index = ollama.embed(MODEL, TEXTS).embeddings  # once: to be kept
    (asked,) = ollama.embed(MODEL, question).embeddings
    # The vectors have length one, so their product is the cosine of the angle between them.
    scores = [sum(map(mul, vector, asked)) for vector in index]
    for score, text in sorted(zip(scores, TEXTS, strict=True), reverse=True):
        print(f"{score:5.2f}  {text}")


if __name__ == "__main__":
    main(sys.argv[1])
