"""Celery: its workers are forked from a master in which the client was made and used."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

TASKS = """
import os, sys
from celery import Celery
import ollama_sync

folder = os.environ["CELERY_FOLDER"]
app = Celery("tasks", broker="filesystem://", backend="file://" + folder + "/results")
queue = {"data_folder_in": folder + "/queue", "data_folder_out": folder + "/queue"}
app.conf.broker_transport_options = {**queue, "control_folder": folder + "/control"}
client = ollama_sync.Client()
client.version()

@app.task
def ask(number):
    prompt = [{"role": "user", "content": f"prompt{number}"}]
    with client.chat("m", prompt, stream=True) as stream:
        return os.getpid(), "".join(part.message.content for part in stream)

if __name__ == "__main__":
    asked = [ask.delay(number) for number in range(8)]
    got = [one.get(timeout=30) for one in asked]
    assert [text for _, text in got] == [f"prompt{number}" for number in range(8)], got
    print(len({process for process, _ in got}))
    client.close()
"""


@pytest.mark.parametrize("pool", ["prefork", "threads", "gevent"])
def test_tasks_share_a_client(pool: str, upstream: Any, tmp_path: Path) -> None:
    """Tasks of each kind of pool stream at once by a client of their module, and the worker ends when told to."""
    upstream.echo(together=2)
    for folder in ("queue", "control", "results"):
        (tmp_path / folder).mkdir()
    (tmp_path / "tasks.py").write_text(TASKS)
    environ = {
        **os.environ,
        "OLLAMA_HOST": upstream.url,
        "CELERY_FOLDER": str(tmp_path),
        "PYTHONPATH": os.pathsep.join([str(tmp_path), os.environ.get("PYTHONPATH", "")]),
    }
    log = (tmp_path / "log").open("w+")
    worker = subprocess.Popen(
        [
            *(sys.executable, "-m", "celery", "-A", "tasks", "worker", "-P", pool, "-c", "2"),
            *("--without-gossip", "--without-mingle", "--without-heartbeat"),
        ],
        cwd=tmp_path,
        env=environ,
        stdout=log,
        stderr=subprocess.STDOUT,
    )
    try:
        asked = subprocess.run(
            [sys.executable, str(tmp_path / "tasks.py")],
            cwd=tmp_path,
            env=environ,
            capture_output=True,
            text=True,
            timeout=50,
            check=False,
        )
        log.seek(0)
        assert asked.returncode == 0, asked.stderr + log.read()
        assert asked.stdout == ("2\n" if pool == "prefork" else "1\n")
        worker.terminate()
        assert worker.wait(20) == 0
    finally:
        worker.kill()
        worker.wait()
        log.close()
