"""What is the shortest program? One that asks a model something, and prints the answer as it comes."""

from __future__ import annotations

import ollama_sync as ollama

question = [{"role": "user", "content": "Why is the sky blue?"}]
for tokens in ollama.chat("llama3.2", question, stream=True).tokens():
    print("".join(tokens), end="", flush=True)  # tokens: a list of strings, all that came at once
print()
