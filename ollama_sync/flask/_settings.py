"""The settings of an app: their names, their defaults, and a warning for names that nothing reads.

Runs where the app is made. Changes the app's config only by defaults.
"""

from __future__ import annotations

import difflib
import inspect
import warnings

from flask import Flask

from ollama_sync import Client

# Each parameter of `Client` is a setting: its name in the config, and the parameter.
CLIENT = {
    f"OLLAMA_{name.upper()}": parameter
    for name, parameter in inspect.signature(Client).parameters.items()
    if parameter.kind is not parameter.VAR_KEYWORD
}

# With the first of these the app has a `Fleet`, whose parameters the others are.
FLEET: dict[str, object] = {
    "OLLAMA_HOSTS": None,
    "OLLAMA_PARALLEL": 4,
    "OLLAMA_MAX_WAITING": None,
}

# Those of `Answers`, which says what they are.
ANSWERS: dict[str, object] = {
    "OLLAMA_ANSWERS": "memory",
    "OLLAMA_ANSWERS_ABANDON_AFTER": 30.0,
    "OLLAMA_ANSWERS_KEEP": 600.0,
    "OLLAMA_ANSWERS_MAX_BYTES": 4 * 1024 * 1024,
    "OLLAMA_ANSWERS_MAX_ANSWERS": 500,
}


def warn_of_unknown(app: Flask) -> None:
    """Warn of settings that begin as ours and are none, with the name that was meant perhaps."""
    known = {*CLIENT, *FLEET, *ANSWERS}
    for key in sorted(key for key in app.config if key.startswith("OLLAMA_")):
        if key not in known:
            near = difflib.get_close_matches(key, known, 1)
            meant = f"; did you mean {near[0]}?" if near else ""
            # 4: the line that calls Ollama(app).
            warnings.warn(f"app.config has {key}, which nothing reads{meant}", stacklevel=4)
