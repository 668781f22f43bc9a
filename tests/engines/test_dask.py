"""`DaskFleet`: a file of requests over the workers of a local cluster, of which one dies; and what goes wrong before that."""

from __future__ import annotations

import contextlib
import importlib.util
import itertools
import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from ollama_sync import RequestError
from ollama_sync.testing import Gate, Request, pause, reply, wait

# Not imported here: it would change how exceptions are pickled in the whole process.
if importlib.util.find_spec("distributed") is None:
    pytest.skip("distributed is not installed", allow_module_level=True)

from ollama_sync.dask import DaskFleet

BATCH = """
import json, os, sys
from ollama_sync import run_batch
from ollama_sync.dask import DaskFleet

def tell(progress, earlier, outcome):
    print(json.dumps({"done": progress.done, "total": progress.total}), flush=True)

if __name__ == "__main__":
    with DaskFleet(json.loads(os.environ["SERVERS"]), sys.argv[1], parallel=8) as fleet:
        summary = run_batch("in.jsonl", "out.jsonl", servers=fleet, model="m", on_progress=tell)
    print(json.dumps({"answered": summary.answered, "failed": summary.failed, "earlier": summary.earlier, "total": summary.total}))
"""

MAP = """
import json, os, sys
from ollama_sync.dask import DaskFleet

def items():
    for number in range(100):
        yield number
    if "broken" in sys.argv:
        raise OSError("the disk is gone")

if __name__ == "__main__":
    told = {"raised": None}
    with DaskFleet(json.loads(os.environ["SERVERS"]), "local:2") as fleet:
        outcomes = fleet.map("generate", items(), request=lambda n: {"prompt": f"row {n}"}, model="m", ordered=True)
        said = []
        try:
            for outcome in outcomes:
                said.append([outcome.item, outcome.index, outcome.get().response])
        except OSError as error:
            told["raised"] = str(error)
        progress = outcomes.progress
    told |= {"said": said, "done": progress.done, "running": progress.running}
    print(json.dumps(told))
"""

FATAL = """
import json, os, sys
from ollama_sync.dask import DaskFleet

def request(number):
    if number == 13:
        os._exit(1)
    return {"prompt": f"row {number}"}

if __name__ == "__main__":
    told = {"ok": [], "lost": []}
    with DaskFleet(json.loads(os.environ["SERVERS"]), "local:2") as fleet:
        for outcome in fleet.map("generate", list(range(100)), request=request, model="m"):
            told["ok" if outcome.ok else "lost"].append(outcome.item)
            if not outcome.ok:
                told["error"] = str(outcome.error)
    print(json.dumps(told))
"""

SINGLE = """
import json, os, sys, time
import distributed
from ollama_sync.dask import DaskFleet

def states(dask_worker):
    return [task.state for task in dask_worker.state.tasks.values()]

def wait_until_none_is(client, state):
    while any(state in found for found in client.run(states).values()):
        time.sleep(0.02)

if __name__ == "__main__":
    with distributed.LocalCluster(n_workers=1, threads_per_worker=2, dashboard_address=None) as cluster, distributed.Client(cluster) as client:
        items = [{"prompt": str(number)} for number in range(2000)]
        with DaskFleet(json.loads(os.environ["SERVERS"]), client) as fleet:
            with fleet.map("generate", items, model="m") as outcomes:
                assert next(outcomes).ok
        wait_until_none_is(client, "executing")
        print("left", flush=True)
        sys.stdin.readline()
        wait_until_none_is(client, "cancelled")
        print(json.dumps({"is_open": client.status == "running", "workers": len(client.nthreads())}))
"""


def write_rows(path: Path, count: int) -> list[str]:
    """Write a file of requests; return their prompts."""
    prompts = [f"row {number}" for number in range(count)]
    lines = [json.dumps({"id": prompt, "prompt": prompt}) for prompt in prompts]
    path.write_text("".join(f"{line}\n" for line in lines))
    return prompts


def answers(path: Path) -> dict[str, str]:
    """Read a file of answers, each of which is there once."""
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    said = {line["key"]: line["reply"]["response"] for line in lines}
    assert len(said) == len(lines)
    return said


@contextlib.contextmanager
def ended(running: subprocess.Popen[str]) -> Iterator[None]:
    """Kill a program that a test has left behind, so that a failure does not become a hang."""
    try:
        yield
    finally:
        running.kill()


def test_a_file_is_answered_by_all_workers(
    program: Callable[..., Any], pair: Any, tmp_path: Path
) -> None:
    """Every line once, and a second run asks nothing."""
    prompts = write_rows(tmp_path / "in.jsonl", 500)
    told = program(BATCH, "local:2")
    assert told == {"answered": 500, "failed": 0, "earlier": 0, "total": 500}
    assert answers(tmp_path / "out.jsonl") == {prompt: prompt.upper() for prompt in prompts}
    assert pair.asked == dict.fromkeys(prompts, 1)
    assert program(BATCH, "local:1")["earlier"] == 500
    assert pair.asked == dict.fromkeys(prompts, 1)


def test_a_worker_that_is_killed_loses_no_answer(
    environ: dict[str, str], pair: Any, tmp_path: Path
) -> None:
    """By SIGKILL at half-time: what it was at is asked again, and the file is whole."""
    prompts = write_rows(tmp_path / "in.jsonl", 2000)
    for server in pair.servers:
        server.on("POST", "/api/generate", _in_three_milliseconds)
    (tmp_path / "program.py").write_text(BATCH)
    running = subprocess.Popen(
        [sys.executable, "program.py", "local:2"],
        cwd=tmp_path,
        env=environ,
        stdout=subprocess.PIPE,
        text=True,
    )
    with running, ended(running):
        assert running.stdout is not None
        for line in running.stdout:
            told = json.loads(line)
            if told["done"] >= 1000:
                break
        os.kill(_worker_of(running.pid), signal.SIGKILL)
        told = json.loads(running.stdout.read().splitlines()[-1])
        assert running.wait(60) == 0
    assert told == {"answered": 2000, "failed": 0, "earlier": 0, "total": 2000}
    assert answers(tmp_path / "out.jsonl") == {prompt: prompt.upper() for prompt in prompts}
    again = sum(pair.asked.values()) - len(pair.asked)
    assert set(pair.asked) == set(prompts)
    # Those of the partitions that its two threads were at.
    assert 0 < again < 300


def test_ctrl_c_ends_the_command(environ: dict[str, str], pair: Any, tmp_path: Path) -> None:
    """It comes to the workers, too, as at a terminal: nobody complains, what was done is in the file, and the rest comes later."""
    prompts = write_rows(tmp_path / "in.jsonl", 1000)
    for server in pair.servers:
        server.on("POST", "/api/generate", _in_three_milliseconds)
    out = tmp_path / "out.jsonl"
    words = ["batch", "in.jsonl", "-o", "out.jsonl", "--model", "m", "--dask", "local:2"]
    hosts = [word for url in pair.urls for word in ("--host", url)]
    command = [sys.executable, "-m", "ollama_sync", *words, *hosts]
    running = subprocess.Popen(
        command,
        cwd=tmp_path,
        env=environ,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    with running, ended(running):
        deadline = time.monotonic() + 40
        while not out.exists() or out.read_text().count("\n") < 200:
            assert time.monotonic() < deadline
            time.sleep(0.01)
        os.killpg(running.pid, signal.SIGINT)
        _, complaints = running.communicate(timeout=20)
    assert running.returncode == 130
    assert "stopped; what was done is in out.jsonl" in complaints
    assert "Traceback" not in complaints
    assert "WARNING" not in complaints
    done = answers(out)
    assert 200 <= len(done) < 1000
    again = subprocess.run(command, cwd=tmp_path, env=environ, timeout=50, check=False)
    assert again.returncode == 0
    assert answers(out) == {prompt: prompt.upper() for prompt in prompts}
    # Of what workers were at when they were stopped, not of what is in the file.
    assert all(pair.asked[prompt] == 1 for prompt in done)


def _in_three_milliseconds(request: Request) -> Any:
    said = {"model": "m", "response": request.json["prompt"].upper(), "done": True}
    return [pause(0.003), reply(said)]


def _worker_of(program: int) -> int:
    """Return the process of a worker: it has been asked to serve, which the helpers of multiprocessing are not."""
    for child in _children(program):
        if b"spawn_main" in Path(f"/proc/{child}/cmdline").read_bytes():
            return child
    raise AssertionError("no worker is there")


def _children(process: int) -> list[int]:
    tasks = Path(f"/proc/{process}/task").glob("*/children")
    return [int(child) for task in tasks for child in task.read_text().split()]


def test_outcomes_come_in_order_if_asked_for(program: Callable[..., Any], pair: Any) -> None:
    """A lambda goes along, and items come back that were never sent back."""
    told = program(MAP)
    assert told["said"] == [[number, number, f"ROW {number}"] for number in range(100)]
    assert (told["done"], told["running"]) == (100, 0)


def test_what_the_items_raise_comes_last(program: Callable[..., Any], pair: Any) -> None:
    """After the outcomes of what was pulled before."""
    told = program(MAP, "broken")
    assert told["raised"] == "the disk is gone"
    assert [number for number, *_ in told["said"]] == list(range(100))


def test_leaving_it_ends_what_workers_are_at(
    environ: dict[str, str], pair: Any, tmp_path: Path
) -> None:
    """A cluster of somebody else stays, and its workers stop at the next answer: nothing is generated for nobody."""
    gate, asked = Gate(), itertools.count()
    # The two threads of the worker have partitions of 128, so one has ended by then, and others are under way.
    answered = 270

    def answer(_: Request) -> Any:
        held = [wait(gate)] if next(asked) >= answered else []
        return [*held, reply({"model": "m", "response": "x", "done": True})]

    for server in pair.servers:
        server.on("POST", "/api/generate", answer)
    (tmp_path / "program.py").write_text(SINGLE)
    running = subprocess.Popen(
        [sys.executable, "program.py"],
        cwd=tmp_path,
        env=environ,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    with running, ended(running):
        assert running.stdout is not None
        assert running.stdout.readline() == "left\n"
        gate.open()
        out, _ = running.communicate("\n", timeout=50)
    assert json.loads(out) == {"is_open": True, "workers": 1}
    # Those that were held, and what was pulled before their outcomes were seen; the partitions have 512.
    assert sum(pair.asked.values()) <= answered + 32


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ({"cluster": "local:0"}, "local:4"),
        ({"cluster": "local:"}, "local:4"),
        ({"cluster": None}, "an address"),
        ({"servers": []}, "at least one server"),
        ({"servers": {"gpu1": 0}}, "places"),
        ({"parallel": 0}, "parallel"),
    ],
    ids=str,
)
def test_a_wrong_argument_starts_nothing(wrong: dict[str, Any], says: str) -> None:
    """It is told where the fleet is made."""
    with pytest.raises(RequestError, match=says):
        DaskFleet(**{"servers": ["gpu1"], "cluster": "local:2", **wrong})


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ({"promt": "x"}, "promt"),
        ({"parallel": 0}, "places"),
        ({"request": 3}, "request"),
        ({"items": "text"}, "iterable of items"),
    ],
    ids=str,
)
def test_wrong_parameters_start_no_cluster(wrong: dict[str, Any], says: str) -> None:
    """They are told by `map`, before anything else."""
    with DaskFleet(["gpu1"], "local:2") as fleet:
        with pytest.raises(RequestError, match=says):
            fleet.map("generate", **{"items": [], **wrong})
        assert fleet._client is None


def test_a_request_that_kills_its_worker_costs_its_partition(
    program: Callable[..., Any], environ: dict[str, str]
) -> None:
    """After so many deaths it fails, with all of its partition; the others are answered by the next worker."""
    environ["DASK_DISTRIBUTED__SCHEDULER__ALLOWED_FAILURES"] = "1"
    told = program(FATAL)
    assert sorted(told["ok"] + told["lost"]) == list(range(100))
    assert 13 in told["lost"]
    assert len(told["ok"]) > 20
    assert re.match(r"Dask: a partition of \d+ requests was lost \(KilledWorker", told["error"])


@pytest.mark.parametrize("hosts", [1, 2])
def test_the_command_spreads_a_file(
    hosts: int, environ: dict[str, str], pair: Any, tmp_path: Path
) -> None:
    """`ollama-sync batch --dask local:2`, with one server and with several."""
    prompts = write_rows(tmp_path / "in.jsonl", 100)
    words = [word for url in pair.urls[:hosts] for word in ("--host", url)]
    command = ["batch", "in.jsonl", "-o", "out.jsonl", "--model", "m", "--dask", "local:2"]
    done = subprocess.run(
        [sys.executable, "-m", "ollama_sync", *command, *words],
        cwd=tmp_path,
        env=environ,
        capture_output=True,
        text=True,
        timeout=50,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    # Progress alone, where the cluster has taken its time to start.
    assert all(re.match(r"\d+ of 100, ", line) for line in done.stderr.splitlines())
    assert done.stdout.startswith("100 of 100 answered, in ")
    assert answers(tmp_path / "out.jsonl") == {prompt: prompt.upper() for prompt in prompts}
    assert pair.asked == dict.fromkeys(prompts, 1)


def test_no_scheduler_is_told(environ: dict[str, str], tmp_path: Path) -> None:
    """With the address, and what to look at."""
    write_rows(tmp_path / "in.jsonl", 1)
    program = (
        "import ollama_sync, ollama_sync.dask as dask; dask._fleet._PATIENCE = 1.0\n"
        "fleet = dask.DaskFleet(['127.0.0.1:1'], 'tcp://127.0.0.1:1')\n"
        "try: ollama_sync.run_batch('in.jsonl', 'out.jsonl', servers=fleet, model='m')\n"
        "except ollama_sync.ConnectError as error: print(error)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program],
        cwd=tmp_path,
        env=environ,
        capture_output=True,
        text=True,
        timeout=50,
        check=False,
    )
    assert done.stdout.startswith("Dask at tcp://127.0.0.1:1: no scheduler"), done.stderr
