"""Calls of generate, and what the two clients do differently in it on purpose. Data only."""

from __future__ import annotations

from pathlib import Path

PNG = b"\x89PNG\r\n\x1a\n"
PICTURE = Path(__file__).parent.parent / "pixel.png"
SCHEMA = {"type": "object", "properties": {"a": {"type": "integer"}}, "required": ["a"]}


def _ask(reply="generate_nonstream", differs=None, /, **more):
    return reply, lambda _, client: client.generate("m", "hi", **more), differs or {}


CALLS = {
    "by position": ("generate_suffix", lambda _, client: client.generate("m", "def f(", ")")),
    "by name": (
        "generate_nonstream",
        lambda _, client: client.generate(model="m", prompt="hi", suffix=None),
    ),
    "only a model": ("generate_empty_prompt_load", lambda _, client: client.generate("m")),
    "prompt None": ("generate_empty_prompt_load", lambda _, client: client.generate("m", None)),
    "empty prompt": ("generate_empty_prompt_load", lambda _, client: client.generate("m", "")),
    "stream": _ask("generate_stream", stream=True),
    "suffix": _ask("generate_suffix_ok", suffix="}", stream=True),
    "empty suffix": _ask(suffix=""),
    "system": _ask("generate_system", system="Be brief."),
    "empty system": _ask(system=""),
    "template": _ask(template="{{ .Prompt }}"),
    "context": _ask("generate_context", context=[1, 2, 3]),
    "a tuple as context": _ask("generate_context", context=(1, 2, 3)),
    "empty context": _ask(context=[]),
    "raw": _ask("generate_raw_nonstream", raw=True),
    "raw, stream": _ask("generate_raw", raw=True, stream=True),
    "raw with a system": _ask("generate_raw_with_system", raw=True, system="x"),
    "raw not": _ask(raw=False),
    "format json": _ask("generate_format_json", format="json"),
    "format empty": _ask(format=""),
    "format a schema": _ask(format=SCHEMA),
    "images": _ask("generate_images", images=[PNG, PICTURE, "iVBORw0KGgo="]),
    "images by the class": (
        "generate_images",
        lambda ollama, client: client.generate("m", "?", images=[ollama.Image(value=PNG)]),
    ),
    "no images": _ask(images=[]),
    "image named by a text": _ask(
        "generate_nonstream",
        {"no-file-from-a-text": ("sent.len", "result", "error")},
        images=[str(PICTURE)],
    ),
    "options": _ask(options={"temperature": 0.0, "seed": 7, "num_gpu": 0}),
    "options by the class": (
        "generate_nonstream",
        lambda ollama, client: client.generate("m", "hi", options=ollama.Options(seed=7)),
    ),
    "keep_alive": _ask(keep_alive="10s"),
    "keep_alive 0": _ask("generate_keepalive0_unload", keep_alive=0),
    "think": _ask(
        {"model": "m", "response": "4", "thinking": "2+2", "done": True, "eval_count": 1},
        think=True,
    ),
    "think a level": _ask(think="low"),
    "logprobs": _ask("generate_logprobs", logprobs=True, top_logprobs=3, stream=True),
    "an image made": _ask(
        {"model": "m", "image": "AAAA", "done": True}, width=64, height=32, steps=4
    ),
    "an image made, stream": _ask(
        [
            {"model": "m", "completed": 1, "total": 2, "done": False},
            {"image": "AAAA", "done": True},
        ],
        width=64,
        stream=True,
    ),
    "null members": _ask({"model": None, "response": "a", "context": None, "done": True}),
    "members that only a newer server sends": _ask(
        {"model": "m", "response": "a", "done": True, "future": {"a": [1]}}
    ),
    "no model": (
        "generate_nonstream",
        lambda _, client: client.generate(prompt="hi"),
        {"request-error": ("error.class",)},
    ),
    "a prompt that is no text": (
        "generate_nonstream",
        lambda _, client: client.generate("m", 5),
        {"request-error": ("error.class",)},
    ),
    "unknown model": _ask("generate_unknown_model"),
    "unknown model, stream": _ask("generate_unknown_model", stream=True),
    "an embedder": _ask("generate_embed_model"),
    "think unsupported": _ask("generate_think_unsupported", think=True),
    "context overflow": _ask("generate_context_overflow_notrunc"),
    "runner killed in mid-stream": _ask("runner_killed_midstream_generate", stream=True),
    "a page instead of JSON": _ask(
        (502, "<html>Bad gateway</html>"), {"error-pages": ("error.error",)}
    ),
    "an error without a text": _ask((500, {"code": 7})),
    "an error that is a list": _ask((500, ["no"]), {"errors-without-a-text": ("error.class",)}),
    "an empty error": _ask((503, b""), {"errors-without-a-text": ("error.error",)}),
    "signed out": _ask(
        (401, {"error": "unauthorized", "signin_url": "https://ollama.com/connect"})
    ),
    "not JSON": _ask(b"hello", {"stream-broken": ("error.class",)}),
}
