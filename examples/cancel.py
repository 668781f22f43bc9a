"""How does a stop button end an answer? By `cancel()`, from any thread; the server stops generating at once.

What had arrived is still shown, then the loop ends as if the answer had: to cancel is no error.
"""

from __future__ import annotations

import threading

import ollama_sync as ollama


def show(stream: ollama.Stream[ollama.ChatResponse]) -> None:
    for tokens in stream.tokens():
        print("".join(tokens), end="", flush=True)


def main() -> None:
    question = [{"role": "user", "content": "Tell me a story that never ends."}]
    with ollama.chat("llama3.2", question, stream=True) as stream:
        showing = threading.Thread(target=show, args=(stream,))
        showing.start()
        input("Enter stops it.\n")
        stream.cancel()  # from any thread, at any time
        showing.join()
        print(f"\nstopped after {stream.stats.parts} parts")


if __name__ == "__main__":
    main()
