"""How does a model see a picture? Its file is sent with the message, by path or as bytes.

Run it by `python images.py photo.jpg "What is this?"`.
"""

from __future__ import annotations

import sys
from pathlib import Path

import ollama_sync as ollama


def main(picture: Path, question: str) -> None:
    message = ollama.Message(role="user", content=question, images=[ollama.Image(picture)])
    for tokens in ollama.chat("gemma3", [message], stream=True).tokens():
        print("".join(tokens), end="", flush=True)
    print()


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2])
