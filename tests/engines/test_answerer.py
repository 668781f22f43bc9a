"""The same `Answerer`, under each engine: every row answered once, where the engine has put it."""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

MULTIPROCESSING = """
import multiprocessing, sys
from functools import partial
from rows import PARTS, answered, answerer, told

if __name__ == "__main__":
    list(answerer()([{"id": -1, "text": "before"}]))  # the parent has used it, and has a hub
    with multiprocessing.get_context(sys.argv[1]).Pool(2) as pool:
        told(pool.map(partial(answered, answerer()), PARTS, chunksize=1))
"""

EXECUTOR = """
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from rows import PARTS, answered, answerer, told

if __name__ == "__main__":
    with ProcessPoolExecutor(2) as pool:
        told(pool.map(partial(answered, answerer()), PARTS))
"""

JOBLIB = """
import sys
from joblib import Parallel, delayed
from rows import PARTS, answered, answerer, told

if __name__ == "__main__":
    one = answerer()
    told(Parallel(n_jobs=2, backend=sys.argv[1], batch_size=1)(delayed(answered)(one, part) for part in PARTS))
"""

DASK_BAG = """
import dask.bag
from dask.distributed import Client, LocalCluster
from rows import ROWS, answered, answerer, told

if __name__ == "__main__":
    with LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=None) as cluster, Client(cluster):
        one = answerer()
        bag = dask.bag.from_sequence(ROWS, npartitions=6)
        told([bag.map_partitions(lambda rows: answered(one, rows)).compute()])
"""

RAY = """
import ray
from rows import PARTS, answered, answerer, told

if __name__ == "__main__":
    ray.init(num_cpus=2, include_dashboard=False, log_to_driver=False)
    one = answerer()
    task = ray.remote(lambda part: answered(one, part))
    told(ray.get([task.remote(part) for part in PARTS]))
    ray.shutdown()
"""

CELERY = """
import json
import os
from celery import Celery
from rows import PARTS, answered, answerer, told

folder = os.environ["CELERY_FOLDER"]
app = Celery("tasks", broker="filesystem://", backend="file://" + folder + "/results")
queue = {"data_folder_in": folder + "/queue", "data_folder_out": folder + "/queue"}
app.conf.broker_transport_options = {**queue, "control_folder": folder + "/control"}
one = answerer()

@app.task
def answer(part):
    return answered(one, part)

if __name__ == "__main__":
    asked = [answer.delay(part) for part in PARTS]
    told([each.get(timeout=40) for each in asked])
"""


def need(engine: str) -> None:
    """Skip the test without its engine. None is imported here: Dask changes how a process pickles exceptions."""
    if importlib.util.find_spec(engine) is None:
        pytest.skip(f"{engine} is not installed")


def check(told: dict[str, Any], asked: dict[str, int]) -> None:
    """Every row has its answer, the one without a request its error, and nothing was asked twice."""
    expected = {str(number): f"ROW {number}" for number in range(60)} | {"7": "KeyError"}
    assert told["said"] == expected
    assert told["lines"] == 60
    asked = {prompt: times for prompt, times in asked.items() if prompt != "before"}
    assert asked == {f"row {number}": 1 for number in range(60) if number != 7}


@pytest.mark.parametrize("method", ["fork", "spawn", "forkserver"])
def test_multiprocessing(method: str, program: Callable[..., Any], pair: Any) -> None:
    """However its processes are made, also after the parent has made calls."""
    told = program(MULTIPROCESSING, method)
    check(told, pair.asked)
    assert told["is_elsewhere"]


def test_a_process_pool_executor(program: Callable[..., Any], pair: Any) -> None:
    """The standard library's other pool."""
    check(program(EXECUTOR), pair.asked)


@pytest.mark.parametrize("backend", ["loky", "multiprocessing", "threading"])
def test_joblib(backend: str, program: Callable[..., Any], pair: Any) -> None:
    """In processes and in threads."""
    need("joblib")
    check(program(JOBLIB, backend), pair.asked)


def test_a_dask_bag(program: Callable[..., Any], pair: Any) -> None:
    """In workers of a local cluster; a lambda goes along."""
    need("distributed")
    check(program(DASK_BAG), pair.asked)


def test_ray(program: Callable[..., Any], pair: Any) -> None:
    """In workers of a local Ray; a lambda goes along."""
    need("ray")
    check(program(RAY), pair.asked)


def test_celery(environ: dict[str, str], pair: Any, tmp_path: Path) -> None:
    """In prefork workers, whose master has made the answerer at import."""
    need("celery")
    for folder in ("queue", "control", "results"):
        (tmp_path / folder).mkdir()
    (tmp_path / "tasks.py").write_text(CELERY)
    environ["CELERY_FOLDER"] = str(tmp_path)
    environ["PYTHONPATH"] = os.pathsep.join([str(tmp_path), environ["PYTHONPATH"]])
    log = (tmp_path / "log").open("w+")
    command = [sys.executable, "-m", "celery", "-A", "tasks", "worker", "-P", "prefork", "-c", "2"]
    quiet = ("--without-gossip", "--without-mingle", "--without-heartbeat")
    worker = subprocess.Popen([*command, *quiet], cwd=tmp_path, env=environ, stdout=log, stderr=log)
    try:
        done = subprocess.run(
            [sys.executable, str(tmp_path / "tasks.py")],
            cwd=tmp_path,
            env=environ,
            capture_output=True,
            text=True,
            timeout=50,
            check=False,
        )
        log.seek(0)
        assert done.returncode == 0, done.stderr + log.read()
        check(json.loads(done.stdout), pair.asked)
        worker.terminate()
        assert worker.wait(20) == 0
    finally:
        worker.kill()
        worker.wait()
        log.close()
