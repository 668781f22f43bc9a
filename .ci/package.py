"""Build the package, look into what was built, install it here, and run the tests that the sdist ships against it.

Usage: python .ci/package.py CHECKOUT EMPTY_FOLDER. Needs `build` and `twine`, and the tools of the tests, in the
environment that runs it. Exits non-zero, saying why, when anything is amiss.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import tarfile
import zipfile
from email.parser import BytesParser
from pathlib import Path

SHIPPED_WITH_TESTS = [
    "README.md",
    "LICENSE",
    "CHANGELOG.md",
    "setup.py",
    "pyproject.toml",
    "tox.ini",
    "tests/conftest.py",
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


def run(*command: str | Path, cwd: Path) -> None:
    """Run this Python with arguments; stop on failure."""
    subprocess.run([sys.executable, *map(str, command)], cwd=cwd, check=True)  # noqa: S603  # our own commands


def expect(condition: bool, complaint: str) -> None:
    """Stop with a complaint unless a condition holds."""
    if not condition:
        sys.exit(f"package: {complaint}")


def only(found: list[Path], what: str) -> Path:
    """Give the one path of a list."""
    expect(len(found) == 1, f"expected one {what}, found {[path.name for path in found]}")
    return found[0]


def check_wheel(wheel: Path, checkout: Path) -> None:
    """The wheel has every module of the package and the licence, and nothing else; its metadata is complete."""
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
    expect(
        metadata["Requires-Python"] == ">=3.10",
        f"Requires-Python is {metadata['Requires-Python']!r}",
    )
    expect(
        set(metadata.get_all("Provides-Extra", [])) == {"flask", "cli", "test"}, "the extras differ"
    )
    expect("ollama-sync = ollama_sync.cli:main" in entry_points, "the command is missing")


def unpack(sdist: Path, folder: Path) -> Path:
    """Unpack an sdist, see that it ships what a distributor needs, and give its top folder."""
    with tarfile.open(sdist) as archive:
        # The filter came with 3.10.12; the archive was made a moment ago by ourselves.
        archive.extractall(folder, filter="data")
    top = only(list(folder.iterdir()), "folder in the sdist")
    missing = [name for name in SHIPPED_WITH_TESTS if not (top / name).exists()]
    expect(not missing, f"the sdist lacks {missing}")
    return top


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
    shipped = unpack(sdist, work / "sdist")
    # Again, even when an earlier run in this environment installed the same version.
    run("-m", "pip", "install", "--quiet", "--force-reinstall", "--no-deps", wheel, cwd=work)
    run("-m", "pip", "install", "--quiet", f"{wheel}[flask,cli,test]", cwd=work)
    run("-m", "pip", "check", cwd=work)
    where = "import ollama_sync, sys; sys.exit(not ollama_sync.__file__.startswith(sys.prefix))"
    run("-c", where, cwd=work)
    run("-m", "ollama_sync", "--help", cwd=work)
    run(
        "-m",
        "pytest",
        "-q",
        "-c",
        shipped / "pyproject.toml",
        "--rootdir",
        shipped,
        # The other environments run all tests against such a wheel; here, whether those that are shipped can be run.
        *sorted((shipped / "tests").glob("test_*.py")),
        cwd=work,
    )


if __name__ == "__main__":
    main(Path(sys.argv[1]).resolve(), Path(sys.argv[2]).resolve())
