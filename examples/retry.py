"""How does a program outlast a server that restarts, or that is overloaded? By `retries=`, and what it does is logged.

Run it by `python retry.py`, and start Ollama while it waits.
"""

from __future__ import annotations

import logging
import sys

import ollama_sync as ollama


def main() -> int:
    logging.basicConfig(format="%(message)s")
    question = [{"role": "user", "content": "Why is the sky blue?"}]
    limits = ollama.Timeout(total=60)  # with every attempt, and the waits between them
    with ollama.Client(retries=5, timeout=limits) as client:
        try:
            for tokens in client.chat("llama3.2", question, stream=True).tokens():
                print("".join(tokens), end="", flush=True)
            print()
        except (ollama.ConnectError, ollama.ResponseError, ollama.WaitTimeout) as error:
            print(f"Given up: {error}")  # with how often it was tried, and in what time
            return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
