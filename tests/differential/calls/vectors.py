"""Calls of embed, embeddings and systemone, and what the two clients do differently on purpose. Data only."""

from __future__ import annotations

ANSWERS = {
    "model": "m",
    "answers": {
        "a": {"type": "noul", "noul": 0.25},
        "b": {
            "type": "choice",
            "choice": "x",
            "probabilities": {"x": 0.9, "y": 0.1},
            "confidence": 0.8,
        },
        "c": {
            "type": "score",
            "score": 1.5,
            "legend": {"0": "bad", "1": "good"},
            "probabilities": {"0": 0.5, "1": 0.5},
            "confidence": 0.1,
        },
    },
    "usage": {"input_tokens": 3, "output_tokens": 1},
}
NOUL = {"type": "noul", "instructions": "Is it urgent?"}
CHOICE = {"type": "choice", "instructions": "Which?", "criteria": {"x": "the first", "y": None}}
SCORE = {"type": "score", "instructions": {"ask": ["how much?"]}, "criteria": ["bad", "good"]}


def _embed(reply, differs=None, /, *arguments, **more):
    return reply, lambda _, client: client.embed(*arguments, **more), differs or {}


def _ask(*arguments, reply=None, **more):
    return reply or ANSWERS, lambda _, client: client.systemone(*arguments, **more)


CALLS = {
    "embed a text": _embed("embed_single", None, "m", "hello"),
    "embed by name": _embed("embed_single", None, model="m", input="hello"),
    "embed a list": _embed("embed_batch", None, "m", ["a", "b"]),
    "embed a tuple": _embed("embed_batch", None, "m", ("a", "b")),
    "embed an empty text": _embed("embed_empty_string", None, "m", ""),
    "embed an empty list": _embed("embed_empty_list", None, "m", []),
    "embed nothing": _embed("embed_no_input", None, "m"),
    "embed by position": _embed(
        "embed_dimensions", None, "m", "a", True, {"num_ctx": 64}, "5m", 16
    ),
    "embed truncate not": _embed("embed_too_long_notrunc", None, "m", "long", truncate=False),
    "embed dimensions": _embed("embed_dimensions", None, "m", "a", dimensions=16),
    "embed options by the class": (
        "embed_single",
        lambda ollama, client: client.embed("m", "a", options=ollama.Options(num_ctx=64)),
    ),
    "embed keep_alive": _embed("embed_single", None, "m", "a", keep_alive=0),
    "embed no model": _embed("embed_single", {"request-error": ("error.class",)}, input="a"),
    "embed a number": _embed("embed_bad_input", {"request-error": ("error.class",)}, "m", 5),
    "embed unknown model": _embed("embed_unknown_model", None, "nope", "x"),
    "embed load failure": _embed("embed_load_failure", None, "m", "x"),
    "embeddings": ("embeddings_legacy", lambda _, client: client.embeddings("m", "hello")),
    "embeddings by name": (
        "embeddings_legacy",
        lambda _, client: client.embeddings(model="m", prompt="hello"),
    ),
    "embeddings by position": (
        "embeddings_legacy",
        lambda _, client: client.embeddings("m", "hello", {"seed": 1}, 0),
    ),
    "embeddings of nothing": ("embeddings_empty_prompt", lambda _, client: client.embeddings("m")),
    "embeddings of an empty text": (
        "embeddings_empty_prompt",
        lambda _, client: client.embeddings("m", ""),
    ),
    "embeddings unknown model": (
        "embed_unknown_model",
        lambda _, client: client.embeddings("nope", "x"),
    ),
    "systemone": _ask("m", "Help!", {"a": NOUL, "b": CHOICE, "c": SCORE}),
    "systemone by name": _ask(model="m", state="Help!", questions={"a": NOUL}),
    "systemone of an object": _ask("m", {"mail": ["Help!"]}, {"a": NOUL}, "5m"),
    "systemone of a list": _ask("m", ["Help!"], {"a": NOUL}, keep_alive=-1),
    "systemone with criteria": _ask(
        "m", "Help!", {"a": {**NOUL, "criteria": {"false": "no", "true": "yes"}}}
    ),
    "systemone by the classes": (
        ANSWERS,
        lambda ollama, client: client.systemone(
            "m",
            "Help!",
            {
                "a": ollama.SystemOneNoulQuestion(instructions="Is it urgent?"),
                "b": ollama.SystemOneChoiceQuestion(
                    instructions="?", criteria={"x": "1", "y": "2"}
                ),
                "c": ollama.SystemOneScoreQuestion(instructions="?", criteria=["bad", "good"]),
            },
        ),
    ),
    "systemone refused": _ask(
        "m", "x", {"a": NOUL}, reply=(400, {"error": "not a decision model"})
    ),
}
