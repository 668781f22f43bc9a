"""`python -m ollama_sync`: the command line. Runs on the main thread; holds no code of its own."""

from __future__ import annotations

import sys

from ollama_sync.cli import main

if __name__ == "__main__":
    sys.exit(main())
