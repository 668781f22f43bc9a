"""How does one show a download as one bar? `progress()` adds up the layers that Ollama tells of one by one.

Run it by `python pull.py llama3.2`. Stopped by Ctrl-C, it goes on from there when it is run again.
"""

from __future__ import annotations

import sys

import ollama_sync as ollama

WIDTH = 30


def main(model: str) -> None:
    with ollama.pull(model, stream=True) as stream:
        for progress in stream.progress():
            done = progress.fraction or 0.0
            bar = ("#" * round(WIDTH * done)).ljust(WIDTH)
            left = "" if progress.remaining is None else f", {progress.remaining:.0f} s left"
            print(f"\r[{bar}] {done:4.0%} {progress.phase}{left}\033[K", end="", flush=True)
    print()


if __name__ == "__main__":
    main(sys.argv[1])
