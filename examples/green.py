"""What changes in a program that runs on gevent? Nothing: a greenlet that waits for the model holds up no other."""

from __future__ import annotations

import ollama_sync as ollama

ollama.monkey_patch()  # first thing, before the modules that are to be patched are imported

import time

import gevent

ticks = 0


def tick() -> None:
    """Other work of the program."""
    global ticks
    while True:
        time.sleep(0.01)  # patched: sleeps this greenlet only
        ticks += 1


def answer(about: str) -> str:
    question = [{"role": "user", "content": about}]
    with ollama.chat("llama3.2", question, stream=True) as stream:
        return "".join(token for tokens in stream.tokens() for token in tokens)


if __name__ == "__main__":
    ticking = gevent.spawn(tick)
    answering = [gevent.spawn(answer, about) for about in ("tea", "coffee", "water")]
    for greenlet in answering:
        print(f"{len(greenlet.get())} characters")
    ticking.kill()
    print(f"{ticks} ticks meanwhile")
