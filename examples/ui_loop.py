"""How does a program that draws 20 frames a second show an answer? By `poll()`, which never holds it up.

Each frame asks `poll()` for all that has arrived, and gets [] when nothing has. No frame waits for the model, and the
model never waits for a frame.
"""

from __future__ import annotations

import time

import ollama_sync as ollama

FRAME = 1 / 20


def draw(text: str, stats: ollama.StreamStats) -> None:
    """Stands for your drawing."""
    print(f"\r{stats.elapsed:6.2f} s {stats.parts:5} parts | {text[-50:]}", end="", flush=True)


def main() -> None:
    text = ""
    question = [{"role": "user", "content": "Tell me a story."}]
    with ollama.chat("llama3.2", question, stream=True) as stream:
        while not stream.done:
            begun = time.monotonic()
            for part in stream.poll():
                text += part.message.content or ""
            draw(text, stream.stats)
            time.sleep(max(0.0, FRAME - (time.monotonic() - begun)))
    print(f"\n{len(text)} characters")


if __name__ == "__main__":
    main()
