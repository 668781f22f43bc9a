"""Build the package, look into what was built, install it, and test it: alone, by the tests that it ships, and as a user would.

Usage: python .ci/package.py CHECKOUT EMPTY_FOLDER. Needs `build`, `twine` and `tox`, and the tools of the tests, in the
environment that runs it. Exits non-zero, saying why, when anything is amiss.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tarfile
import venv
import zipfile
from email.parser import BytesParser
from pathlib import Path

EXTRAS = ["dask", "flask", "redis", "cli", "numpy", "otel", "test"]
# Of the metadata; `Project-URL` is to be added when the project has an address.
FILLED_IN = [
    "Author",
    "Classifier",
    "Description-Content-Type",
    "Keywords",
    "License-Expression",
    "License-File",
    "Requires-Dist",
    "Requires-Python",
    "Summary",
]
SHIPPED_WITH_TESTS = [
    "README.md",
    "LICENSE",
    "CHANGELOG.md",
    "setup.py",
    "pyproject.toml",
    "tox.ini",
    "docs/build_api.py",
    "docs/api_page/page.py",
    "examples/README.md",
    "tests/conftest.py",
    "tests/testing/sample_project/tests/recordings/summary.jsonl",
]
NOT_COPIED = [
    ".git",
    ".tox",
    ".venv*",
    ".*_cache",
    ".hypothesis",
    "__pycache__",
    "build",
    "dist",
    "*.egg-info",
]


# Of an installation without extras. It runs far from the checkout, so that only what is installed can be imported.
ALONE = """
import ollama_sync, ollama_sync.cli, ollama_sync.events, ollama_sync.tools
from ollama_sync.testing import MockOllama
with MockOllama(chunks=3, delay=0) as server, ollama_sync.Client(server.url) as client:
    assert client.generate("llama3.2", "Hi", stream=True).result().response == "AAA"
"""


def run(
    *command: str | Path,
    cwd: Path,
    env: dict[str, str] | None = None,
    python: str | Path = sys.executable,
) -> None:
    """Run a Python, this one unless told otherwise, with arguments; stop on failure."""
    subprocess.run([python, *map(str, command)], cwd=cwd, check=True, env=env)  # noqa: S603  # our own commands


def expect(condition: bool, complaint: str) -> None:
    """Stop with a complaint unless a condition holds."""
    if not condition:
        sys.exit(f"package: {complaint}")


def only(found: list[Path], what: str) -> Path:
    """Give the one path of a list."""
    expect(len(found) == 1, f"expected one {what}, found {[path.name for path in found]}")
    return found[0]


def check_wheel(wheel: Path, checkout: Path) -> None:
    """The wheel has every module of the package and the licence, and nothing else (no test); its metadata is complete."""
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
        metadata_name = next(name for name in names if name.endswith(".dist-info/METADATA"))
        metadata = BytesParser().parsebytes(archive.read(metadata_name))
        entry_points = archive.read(metadata_name.replace("METADATA", "entry_points.txt")).decode()
    packaged = {name for name in names if ".dist-info/" not in name}
    sources = {
        path.relative_to(checkout).as_posix()
        for path in (checkout / "ollama_sync").rglob("*")
        if path.suffix == ".py" or path.name == "py.typed"
    }
    expect(
        packaged == sources, f"the wheel differs from the checkout in {sorted(packaged ^ sources)}"
    )
    expect(any(name.endswith("/LICENSE") for name in names), "the wheel has no LICENSE")
    expect(metadata["Name"] == "ollama-sync", f"the name is {metadata['Name']!r}")
    missing = [name for name in FILLED_IN if not metadata[name]]
    expect(not missing, f"the metadata lacks {missing}")
    extras = metadata.get_all("Provides-Extra", [])
    expect(sorted(extras) == sorted(EXTRAS), f"the extras are {extras}")
    expect("ollama-sync = ollama_sync.cli:main" in entry_points, "the command is missing")
    expect("ollama_sync.pytest_plugin = " in entry_points, "the plugin of pytest is missing")


def unpack(sdist: Path, folder: Path) -> Path:
    """Unpack an sdist, see that it ships what a distributor needs, and give its top folder."""
    with tarfile.open(sdist) as archive:
        # The filter came with 3.10.12; the archive was made a moment ago by ourselves.
        archive.extractall(folder, filter="data")
    top = only(list(folder.iterdir()), "folder in the sdist")
    missing = [name for name in SHIPPED_WITH_TESTS if not (top / name).exists()]
    expect(not missing, f"the sdist lacks {missing}")
    return top


def test_alone(sdist: Path, work: Path) -> None:
    """Install the sdist, without extras, where nothing else is; then the package works, and its command is there."""
    venv.create(work / "alone", with_pip=True)
    binaries = work / "alone" / ("Scripts" if os.name == "nt" else "bin")
    python = binaries / "python"
    run("-m", "pip", "install", "--quiet", sdist, cwd=work, python=python)
    run("-m", "pip", "check", cwd=work, python=python)
    run("-W", "error", "-c", ALONE, cwd=work, python=python)
    run("--help", cwd=work, python=binaries / "ollama-sync")


def test_by_what_is_shipped(shipped: Path, work: Path) -> None:
    """See that the tests of an sdist can be run: all are collected, some run. The other environments run them all on such a wheel."""
    tests = shipped / "tests"
    pytest = ["-m", "pytest", "-q", "-c", shipped / "pyproject.toml", "--rootdir", shipped]
    rooms = ("hosts", "browser", "neighbours", "engines", "packages")
    apart = [f"--ignore={tests / room}" for room in rooms]
    run(*pytest, "--collect-only", "--no-header", "-qq", *apart, tests, cwd=work)
    run(
        *pytest,
        tests / "_client" / "test_client.py",
        tests / "_stream" / "test_stream.py",
        cwd=work,
    )


def test_as_a_user(project: Path, wheel: Path, work: Path) -> None:
    """Run the tests and the type checker on a project that depends on the wheel, in an environment that its own tox makes.

    So the plugin of pytest is found by its entry point, and the types by `py.typed`.
    """
    # The tox that runs this one, if any, speaks to its commands by such variables; they are not meant for another tox.
    env = {name: value for name, value in os.environ.items() if not name.startswith("TOX")}
    env["OLLAMA_SYNC"] = str(wheel)
    run("-m", "tox", "run", "--workdir", work / "sample", "-c", project, cwd=project, env=env)


def main(checkout: Path, work: Path) -> None:
    """Build, check, install, test."""
    # A copy, since setuptools leaves its traces where it builds, and others may be building there at this moment.
    source = work / "source"
    shutil.copytree(checkout, source, ignore=shutil.ignore_patterns(*NOT_COPIED))
    dist = work / "dist"
    # Without further flags this makes the sdist, then the wheel from the sdist: what the sdist lacks, the wheel lacks.
    run("-m", "build", "--outdir", dist, source, cwd=work)
    sdist = only(list(dist.glob("*.tar.gz")), "sdist")
    wheel = only(list(dist.glob("*.whl")), "wheel")
    run("-m", "twine", "check", "--strict", sdist, wheel, cwd=work)
    check_wheel(wheel, source)
    test_alone(sdist, work)
    shipped = unpack(sdist, work / "sdist")
    # Again, even when an earlier run in this environment installed the same version.
    run("-m", "pip", "install", "--quiet", "--force-reinstall", "--no-deps", wheel, cwd=work)
    run("-m", "pip", "install", "--quiet", f"{wheel}[{','.join(EXTRAS)}]", cwd=work)
    run("-m", "pip", "check", cwd=work)
    where = "import ollama_sync, sys; sys.exit(not ollama_sync.__file__.startswith(sys.prefix))"
    run("-c", where, cwd=work)
    test_by_what_is_shipped(shipped, work)
    test_as_a_user(shipped / "tests" / "testing" / "sample_project", wheel, work)


if __name__ == "__main__":
    main(Path(sys.argv[1]).resolve(), Path(sys.argv[2]).resolve())
