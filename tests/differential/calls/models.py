"""Calls that manage models: list, ps, show, copy, delete, and what differs on purpose. Data only."""

from __future__ import annotations


def _show(reply, model="m"):
    return reply, lambda _, client: client.show(model)


CALLS = {
    "list": ("tags", lambda _, client: client.list()),
    "list of none": ("tags_empty", lambda _, client: client.list()),
    "list after a pull": ("tags_pulled", lambda _, client: client.list()),
    "list refused": (
        "host_mismatch",
        lambda _, client: client.list(),
        {"errors-without-a-text": ("error.error",)},
    ),
    "ps": ("ps", lambda _, client: client.ps()),
    "ps of none": ("ps_empty", lambda _, client: client.ps()),
    "ps for ever": ("ps_keepalive_forever", lambda _, client: client.ps()),
    "ps with a context": ("ps_num_ctx", lambda _, client: client.ps()),
    "show": _show("show"),
    "show by name": ("show", lambda _, client: client.show(model="m")),
    "show an embedder": _show("show_embed"),
    "show a thinker": _show("show_think"),
    "show one with tools": _show("show_tools"),
    "show unknown": _show("show_missing"),
    "show without model_info": (
        {"license": "MIT", "details": {"family": "llama"}},
        lambda _, client: client.show("m"),
        {"replies-are-not-validated": ("result", "error")},
    ),
    "show nothing": (
        "show_no_model",
        lambda _, client: client.show(""),
        {"request-error": ("error.class",)},
    ),
    "copy": ("copy", lambda _, client: client.copy("a", "b")),
    "copy by name": ("copy", lambda _, client: client.copy(source="a", destination="b")),
    "copy unknown": ("copy_missing", lambda _, client: client.copy("nope", "b")),
    "copy to a bad name": ("copy_bad_dest", lambda _, client: client.copy("a", "b c")),
    "copy to nowhere": (
        "copy_bad_dest",
        lambda _, client: client.copy("a", ""),
        {"request-error": ("sent.len", "error.class", "error.error", "error.status_code")},
    ),
    "delete": ("delete", lambda _, client: client.delete("a")),
    "delete by name": ("delete", lambda _, client: client.delete(model="a")),
    "delete unknown": ("delete_missing", lambda _, client: client.delete("nope")),
    "delete a bad name": ("delete_bad_name", lambda _, client: client.delete("a b")),
}
