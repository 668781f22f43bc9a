"""What the server knows of its models, as text: the tables of list and ps, the page of show.

Pure functions, on any thread: the time of now is an argument. What a server leaves out is shown as "-".
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING

from ollama_sync.cli._render import columns, folded, size, when

if TYPE_CHECKING:
    from ollama_sync import ListResponse, ProcessResponse, ShowResponse

_ID = 12  # digits of a digest that tell models apart
_FOR_EVER = 100  # years; the server says "never" by a time some 292 years ahead
_FIRST_LINES = 4  # of a text that is long


def list_table(reply: ListResponse, now: datetime, width: int | None = None) -> str:
    """Return the models that a server has.

    Args:
        reply: of list.
        now: with a time zone.
        width: of the terminal, in columns; a table that is wider is shown as a list. None is without end.
    """
    rows = [["NAME", "ID", "SIZE", "MODIFIED"]]
    for model in reply.models:
        # A model that runs elsewhere takes no room here.
        taken = "-" if model.remote_model or model.size is None else size(model.size)
        changed = model.modified_at
        rows.append(
            [
                model.model or model.name or "-",
                (model.digest or "-")[:_ID],
                taken,
                "-" if changed is None else when(changed, now),
            ]
        )
    return folded(rows, width)


def ps_table(reply: ProcessResponse, now: datetime, width: int | None = None) -> str:
    """Return the models that are loaded.

    Args:
        reply: of ps.
        now: with a time zone.
        width: of the terminal, in columns; a table that is wider is shown as a list. None is without end.
    """
    titles = ["NAME", "ID", "SIZE", "PROCESSOR", "CONTEXT", "UNTIL"]
    rows = (
        [
            model.model or model.name or "-",
            (model.digest or "-")[:_ID],
            "-" if model.size is None else size(model.size),
            _processor(model.size or 0, model.size_vram or 0),
            str(model.context_length or "-"),
            _until(model.expires_at, now),
        ]
        for model in reply.models
    )
    return folded([titles, *rows], width)


def _processor(total: int, on_gpu: int) -> str:
    if not total:
        return "-"
    share = round(100 * min(on_gpu / total, 1))
    if share in (0, 100):
        return "100% GPU" if share else "100% CPU"
    return f"{100 - share}%/{share}% CPU/GPU"


def _until(expires: datetime | None, now: datetime) -> str:
    if expires is None:
        return "-"
    if expires.year - now.year > _FOR_EVER:
        return "for ever"
    return "stopping" if expires <= now else when(expires, now)


def show_page(reply: ShowResponse, *, verbose: bool = False) -> str:
    """Return what is known of one model.

    Args:
        reply: of show.
        verbose: with all metadata and every tensor, and long texts whole.
    """
    sections = {
        "Model": _indented(_model_rows(reply)),
        "Capabilities": _indented([name] for name in reply.capabilities or ()),
        "Parameters": _indented(_parameter_rows(reply.parameters or "")),
        "System": _text(reply.system or "", whole=verbose),
        "License": _text(reply.license or "", whole=verbose),
    }
    if verbose:
        info = reply.modelinfo or {}
        sections["Metadata"] = _indented([name, _short(info[name])] for name in sorted(info))
        sections["Tensors"] = _indented(
            [tensor.name or "-", tensor.type or "-", str([*(tensor.shape or ())])]
            for tensor in reply.tensors or ()
        )
    return "\n\n".join(f"  {title}\n{text}" for title, text in sections.items() if text)


def _model_rows(reply: ShowResponse) -> list[list[str]]:
    details = reply.details
    info: Mapping[str, object] = reply.modelinfo or {}
    family = info.get("general.architecture") or (details and details.family)
    facts: dict[str, object] = {
        "architecture": family,
        "parameters": details and details.parameter_size,
        "context length": info.get(f"{family}.context_length"),
        "embedding length": info.get(f"{family}.embedding_length"),
        "quantization": details and details.quantization_level,
        "made from": details and details.parent_model,
        "runs as": reply.remote_model,
        "runs at": reply.remote_host,
        "requires": reply.requires,
    }
    return [[name, str(value)] for name, value in facts.items() if value]


def _parameter_rows(text: str) -> list[list[str]]:
    words = (line.split(maxsplit=1) for line in text.splitlines())
    return [[name, *(value or [""])] for name, *value in filter(None, words)]


def _short(value: object) -> str:
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 80 else f"{text[:79]}…"


def _indented(rows: Iterable[Sequence[str]]) -> str:
    found = list(rows)
    return "\n".join(f"    {line}" for line in columns(found).splitlines()) if found else ""


def _text(text: str, *, whole: bool) -> str:
    lines = text.strip().splitlines()
    if not whole and len(lines) > _FIRST_LINES:
        lines[_FIRST_LINES:] = ["…"]
    return "\n".join(f"    {line}".rstrip() for line in lines)
