"""Calls that move models: pull, push, create, create_blob, and what differs on purpose. Data only."""

from __future__ import annotations

from pathlib import Path

from ollama_sync.testing import reply

PICTURE = Path(__file__).parent.parent / "pixel.png"
DIGEST = f"sha256:{64 * '0'}"


def _pull(reply, /, *arguments, **more):
    return reply, lambda _, client: client.pull(*arguments, **more)


def _push(reply, /, *arguments, **more):
    return reply, lambda _, client: client.push(*arguments, **more)


def _create(reply, differs=None, /, *arguments, **more):
    return reply, lambda _, client: client.create(*arguments, **more), differs or {}


def _lacks_blobs(request):
    return [reply(b"", 404 if request.method == "HEAD" else 201)]


def _refuses_blobs(request):
    return [reply({"error": "invalid digest format"}, 404 if request.method == "HEAD" else 400)]


CALLS = {
    "pull": _pull("pull_progress_nonstream", "m"),
    "pull by name": _pull("pull_progress_nonstream", model="m", insecure=False, stream=False),
    "pull insecure": _pull("pull_progress_nonstream", "m", insecure=True),
    "pull stream": _pull("pull_progress", "m", stream=True),
    "pull stream insecure": _pull("pull_progress", "m", insecure=True, stream=True),
    "pull cached": _pull("pull_cached", "m", stream=True),
    "pull resumed": _pull("pull_resume", "m", stream=True),
    "pull refused": _pull("pull_refused_nonstream", "m"),
    "pull refused, stream": _pull("pull_refused", "m", stream=True),
    "pull bad name": _pull("pull_bad_name", "a b", stream=True),
    "pull unknown": _pull("pull_manifest_missing_nonstream", "nope"),
    "pull unknown, stream": _pull("pull_manifest_missing", "nope", stream=True),
    "pull corrupt": _pull("pull_corrupt_blob", "m", stream=True),
    "pull nothing": (
        "pull_no_model",
        lambda _, client: client.pull(""),
        {"request-error": ("error.class",)},
    ),
    "push": _push({"status": "success"}, "me/m"),
    "push by name": _push({"status": "success"}, model="me/m", insecure=True),
    "push stream": _push("push_ok", "me/m", stream=True),
    "push stream insecure": _push("push_ok", "me/m", insecure=True, stream=True),
    "push refused": _push("push_refused_nonstream", "me/m"),
    "push refused, stream": _push("push_refused", "me/m", stream=True),
    "push unauthorized": _push("push_unauthorized_nonstream", "me/m"),
    "push unauthorized, stream": _push("push_unauthorized", "me/m", stream=True),
    "push unknown": _push("push_missing_model", "me/nope", stream=True),
    "create": _create("create_nonstream", None, "n", from_="m"),
    "create by position": _create(
        "create_nonstream",
        None,
        "n",
        "q4_K_M",
        "m",
        {"a.gguf": DIGEST},
        {"b.gguf": DIGEST},
        "{{ .Prompt }}",
        "MIT",
        "Be brief.",
        {"temperature": 0},
        [{"role": "user", "content": "hi"}],
    ),
    "create stream": _create("create_stream", None, "n", from_="m", stream=True),
    "create quantized": _create(
        "create_quantize", None, "n", quantize="q8_0", from_="m", stream=True
    ),
    "create of files": _create("create_nonstream", None, "n", files={"a.gguf": DIGEST}),
    "create of adapters": _create("create_nonstream", None, "n", from_="m", adapters={"a": DIGEST}),
    "create with a template": _create("create_nonstream", None, "n", from_="m", template="x"),
    "create with licences": _create("create_nonstream", None, "n", from_="m", license=["MIT", "x"]),
    "create with a system": _create("create_nonstream", None, "n", from_="m", system="x"),
    "create with parameters": _create(
        "create_nonstream", None, "n", from_="m", parameters={"stop": ["a"], "num_ctx": 64}
    ),
    "create with parameters by the class": (
        "create_nonstream",
        lambda ollama, client: client.create("n", from_="m", parameters=ollama.Options(seed=1)),
    ),
    "create with messages": _create(
        "create_nonstream",
        None,
        "n",
        from_="m",
        messages=[{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}],
    ),
    "create with messages by the class": (
        "create_nonstream",
        lambda ollama, client: client.create(
            "n", from_="m", messages=[ollama.Message(role="user", content="a")]
        ),
    ),
    "create of nothing": _create("create_no_source_nonstream", None, "n"),
    "create of nothing, stream": _create("create_no_source", None, "n", stream=True),
    "create of a blob that is not there": _create(
        "create_missing_blob_nonstream", None, "n", files={"a": DIGEST}
    ),
    "create of a blob that is not there, stream": _create(
        "create_missing_blob", None, "n", files={"a": DIGEST}, stream=True
    ),
    "create with a bad template": _create(
        "create_bad_template", None, "n", from_="m", template="{{", stream=True
    ),
    "create with a bad name": _create("create_bad_name", None, "a b", from_="m", stream=True),
    "create quantized in vain": _create(
        "create_quantize_bad", None, "n", from_="m", quantize="q0", stream=True
    ),
    "create without a name": _create(
        "create_bad_name", {"request-error": ("error.class",)}, "", from_="m"
    ),
    "create of a path": _create(
        _lacks_blobs,
        {"files-by-path": ("sent.len", "error.class")},
        "n",
        files={"a.png": PICTURE},
    ),
    "create_blob": (
        _lacks_blobs,
        lambda _, client: client.create_blob(PICTURE),
        {"blobs-are-asked-for": ("sent.len", "sent[].method", "sent[].body")},
    ),
    "create_blob of a text": (
        _lacks_blobs,
        lambda _, client: client.create_blob(str(PICTURE)),
        {"blobs-are-asked-for": ("sent.len", "sent[].method", "sent[].body")},
    ),
    "create_blob that is there": (
        lambda _request: [reply(b"", 200)],
        lambda _, client: client.create_blob(path=PICTURE),
        {"blobs-are-asked-for": ("sent[].method", "sent[].body")},
    ),
    "create_blob refused": (
        _refuses_blobs,
        lambda _, client: client.create_blob(PICTURE),
        {"blobs-are-asked-for": ("sent.len", "sent[].method", "sent[].body")},
    ),
    "create_blob of no file": (
        _lacks_blobs,
        lambda _, client: client.create_blob("no such file"),
        {"request-error": ("error.class",)},
    ),
}
