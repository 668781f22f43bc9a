"""Replies as tables and pages, with a clock of numbers."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from typing import Any

import pytest

from ollama_sync import ListResponse, ProcessResponse, ShowResponse
from ollama_sync.cli._tables import list_table, ps_table, show_page

NOW = datetime(2026, 11, 22, 12, 0, 0, tzinfo=timezone.utc)


def loaded(**fields: Any) -> list[str]:
    reply = ProcessResponse(models=[{"model": "m", **fields}])
    cells = ps_table(reply, NOW).splitlines()[1].split("    ")
    return [cell.strip() for cell in cells if cell.strip()]


def test_a_list_lines_up() -> None:
    """Every column begins at one place; ids are cut, sizes and times are for people."""
    reply = ListResponse(
        models=[
            {
                "model": "smollm2:135m",
                "digest": "9077fe9d2ae1a4a41a868836b56b8163",
                "size": 270_898_672,
                "modified_at": "2026-11-22T09:59:59.123456789Z",
            },
            {"model": "m", "digest": "aa", "size": 0, "modified_at": "2026-11-22T13:00:00+02:00"},
        ]
    )
    assert list_table(reply, NOW).splitlines() == [
        "NAME            ID              SIZE      MODIFIED",
        "smollm2:135m    9077fe9d2ae1    271 MB    2 hours ago",
        "m               aa              0 B       1 hour ago",
    ]


def test_a_table_fits_a_narrow_terminal() -> None:
    """At 34 columns no line is longer: each model is a list of its own, and nothing is left out."""
    model = {
        "model": "smollm2:135m",
        "digest": "9077fe9d2ae1a4a41a868836b56b8163",
        "size": 270_898_672,
        "size_vram": 100_000_000,
        "context_length": 4096,
        "expires_at": "2026-11-22T12:04:59Z",
    }
    for text in (
        ps_table(ProcessResponse(models=[model, model]), NOW, 34),
        list_table(ListResponse(models=[model, model]), NOW, 34),
    ):
        assert max(map(len, text.splitlines())) <= 34
        assert text.count("smollm2:135m") == text.count("271 MB") == 2


def test_what_a_server_leaves_out_is_a_dash() -> None:
    """An old server, or one in front of other machines, breaks no table."""
    reply = ListResponse(models=[{}, {"name": "far", "size": 384, "remote_model": "gpt-oss"}])
    rows = [line.split() for line in list_table(reply, NOW).splitlines()[1:]]
    assert rows == [["-", "-", "-", "-"], ["far", "-", "-", "-"]]
    assert loaded() == ["m", "-", "-", "-", "-", "-"]


@pytest.mark.parametrize(
    ("on_gpu", "shown"),
    [(None, "100% CPU"), (0, "100% CPU"), (1000, "100% GPU"), (250, "75%/25% CPU/GPU")],
)
def test_the_processor_is_told_by_the_memory(on_gpu: int | None, shown: str) -> None:
    """It is the share of the model's bytes that are on the GPU; the server leaves out a zero."""
    given = {} if on_gpu is None else {"size_vram": on_gpu}
    assert loaded(size=1000, **given)[2 + 1] == shown


@pytest.mark.parametrize(
    ("expires", "shown"),
    [
        (NOW + timedelta(seconds=299), "4 minutes from now"),
        (NOW, "stopping"),
        (NOW - timedelta(seconds=1), "stopping"),
        (NOW.replace(year=2318), "for ever"),
    ],
)
def test_until_is_a_time_from_now(expires: datetime, shown: str) -> None:
    """A model that is about to go says so, and one that stays for ever too."""
    assert loaded(expires_at=expires.isoformat())[-1] == shown


def test_a_page_has_the_sections_that_there_are() -> None:
    """Sections and facts that the server does not send are left out; long texts are cut."""
    reply = ShowResponse(
        details={"family": "bert", "quantization_level": "F16", "parameter_size": "22M"},
        model_info={"general.architecture": "nomic", "nomic.context_length": 512},
        parameters='stop                           "<|im_end|>"\ntemperature                    1',
        license="\nA\nB\n\nC\nD\nE\n",
    )
    assert show_page(reply).splitlines() == [
        "  Model",
        "    architecture      nomic",
        "    parameters        22M",
        "    context length    512",
        "    quantization      F16",
        "",
        "  Parameters",
        '    stop           "<|im_end|>"',
        "    temperature    1",
        "",
        "  License",
        "    A",
        "    B",
        "",
        "    C",
        "    …",
    ]
    assert "    E" in show_page(reply, verbose=True)
    assert show_page(ShowResponse()) == ""


def test_metadata_is_cut_to_the_width_of_a_screen() -> None:
    """A vocabulary of megabytes does not flood the terminal."""
    reply = ShowResponse(model_info={"tokens": ["a"] * 100_000})
    (line,) = show_page(reply, verbose=True).splitlines()[1:]
    assert len(line) < 100
    assert line.endswith("…")
