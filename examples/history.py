"""How does a chat remember what was said? It does not: each question is sent with all that was said before.

Run it by `python history.py`. An empty line ends it.
"""

from __future__ import annotations

import ollama_sync as ollama


def main() -> None:
    messages = [ollama.Message(role="system", content="Answer in one sentence.")]
    while question := input("> "):
        messages.append(ollama.Message(role="user", content=question))
        with ollama.chat("llama3.2", messages, stream=True) as stream:
            for tokens in stream.tokens():
                print("".join(tokens), end="", flush=True)
            messages.append(stream.result().message)  # the answer as a whole
        print()


if __name__ == "__main__":
    main()
