"""How does one tell what a model thinks from what it answers? They come in different fields of a part.

Run it by `python thinking.py "How many r are in strawberry?"`. What the model thinks is grey.
"""

from __future__ import annotations

import sys

import ollama_sync as ollama

GREY, PLAIN = "\033[90m", "\033[0m"


def main(question: str) -> None:
    messages = [{"role": "user", "content": question}]
    with ollama.chat("qwen3", messages, stream=True, think=True) as stream:
        for parts in stream.batches():
            thought = "".join(part.message.thinking or "" for part in parts)
            answer = "".join(part.message.content or "" for part in parts)
            print(f"{GREY}{thought}{PLAIN}{answer}", end="", flush=True)
        whole = stream.result().message
    print(f"\n{len(whole.thinking or '')} characters thought, {len(whole.content or '')} answered")


if __name__ == "__main__":
    main(sys.argv[1])
