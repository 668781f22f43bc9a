"""How long may a model take? Four clocks, each with an error of its own, so that one can say what was slow.

Run it by `python timeouts.py`, or with the seconds that the first token may take: `python timeouts.py 0.5`.
"""

from __future__ import annotations

import sys

import ollama_sync as ollama


def main(first: float) -> int:
    limits = ollama.Timeout(connect=2, first=first, idle=10, total=300)
    question = [{"role": "user", "content": "Why is the sky blue?"}]
    with ollama.Client(timeout=limits) as client:
        try:
            for tokens in client.chat("llama3.2", question, stream=True).tokens():
                print("".join(tokens), end="", flush=True)
            print()
        except ollama.ConnectTimeout:
            print("The machine does not answer.")
        except ollama.FirstTimeout as error:
            print(
                f"No token in {error.seconds:g} s: the model is still loading, or the queue is long."
            )
        except ollama.WaitTimeout as error:
            print(f"\nIt stopped in mid-answer ({error.phase}): {error}")
        else:
            return 0
    return 1


if __name__ == "__main__":
    sys.exit(main(float(sys.argv[1]) if len(sys.argv) > 1 else 120))
