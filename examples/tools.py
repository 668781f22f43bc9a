"""How does a model call functions of a program? `run_tools` calls them for it, until it has its answer.

The model is told of their names, their types and their docstrings, and so are the errors that they raise.
"""

from __future__ import annotations

from datetime import date

import ollama_sync as ollama


def today() -> date:
    """Tell today's date."""
    return date.today()


def days_between(first: date, last: date) -> int:
    """Count the days from one date to another.

    Args:
        first: the earlier date, as 2026-03-31.
        last: the later date.
    """
    return (last - first).days


def main() -> None:
    question = [{"role": "user", "content": "How many days are left of this year?"}]
    run = ollama.run_tools("llama3.2", question, [today, days_between])
    for tokens in run:
        print("".join(tokens), end="", flush=True)
    used = [message.tool_name for message in run.messages if message.role == "tool"]
    print(f"\nTools that were used: {used}")


if __name__ == "__main__":
    main()
