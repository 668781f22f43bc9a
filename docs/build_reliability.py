"""Build `docs/reliability.md`: what can go wrong, what is promised then, the test that holds it, and how the test ended.

    python docs/build_reliability.py                   measures all, writes the page; some 20 minutes
    python docs/build_reliability.py soak --minutes 3  measures only that anew; also: tests, hosts, cancels

The figures are kept in `docs/reliability.json`. A promise on the page is the docstring of its test: there is no second list of
promises that could grow old. Needs what the environment `hosts` of `tox.ini` needs, and the package installed.
Exits with 1 when a test failed or the soak found anything wrong; the page says so, too.
"""

from __future__ import annotations

import argparse
import ast
import datetime
import importlib.metadata
import json
import os
import platform
import subprocess
import sys
import tempfile
import xml.etree.ElementTree as ET
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

ROOT = Path(__file__).resolve().parents[1]
PAGE = ROOT / "docs" / "reliability.md"
FIGURES = ROOT / "docs" / "reliability.json"

PACKAGES = "ollama-sync gevent greenlet requests urllib3 ujson gunicorn uwsgi waitress celery flask werkzeug"


class Family(NamedTuple):
    """Faults of one kind: a heading of the page, what it is about, and the modules or folders of its tests."""

    title: str
    about: str
    tests: tuple[str, ...]


FAMILIES = (
    Family(
        "Framing",
        "The server frames its reply badly, or in ways that are right and rare: chunks, lengths, compression, endless lines.",
        ("rude/test_framing.py",),
    ),
    Family(
        "Heads and redirects",
        "What answers is no HTTP, or sends the client elsewhere.",
        ("rude/test_heads.py",),
    ),
    Family(
        "Words",
        "Refusals in every form, and JSON at its limits.",
        ("rude/test_words.py",),
    ),
    Family(
        "Endings and silence",
        "The reply ends too early or never, the connection is reset, the server is restarted.",
        ("rude/test_endings.py",),
    ),
    Family(
        "Uploads",
        "The server answers, leaves or stops reading before it has the whole request.",
        ("rude/test_uploads.py",),
    ),
    Family("Clocks", "Each phase of a call has its clock.", ("_client/test_timeouts.py",)),
    Family(
        "Cancel",
        "At every stage of a call, from everywhere.",
        ("_call/test_cancel.py", "_transport/test_green_hangup.py"),
    ),
    Family(
        "Buffers",
        "Callers that are slow, or stop; what is handed over between the threads.",
        ("_hub/test_channel.py", "_call/test_exchange.py"),
    ),
    Family(
        "Retries and kept connections",
        "What is tried again, and what must not be.",
        ("_call/test_retries.py",),
    ),
    Family(
        "Harm and secrets",
        "Servers that mean harm, and keys that must not leave.",
        ("security",),
    ),
    Family(
        "Interrupts",
        "Ctrl-C, a signal handler that raises, an exception thrown into a thread, at every place where Python looks for them.",
        ("_stream/test_interrupts.py",),
    ),
    Family(
        "Names and addresses",
        "A name that resolves slowly or never, and one with several addresses of which some are dead.",
        ("_transport/test_names.py", "_transport/test_connect.py"),
    ),
    Family(
        "Fork and exit",
        "The hub's thread, and the end of the program.",
        ("_hub/test_loop.py", "_hub/test_fork.py"),
    ),
    Family(
        "The end of the hub",
        "The loop is ended from outside: its descriptors are closed, an exception is thrown into its thread.",
        ("_hub/test_lifeline.py", "_hub/test_registry.py"),
    ),
    Family(
        "Many requests",
        "Items, requests, replies and clients that fail in the midst of many.",
        ("_client/test_outcomes.py",),
    ),
    Family(
        "Several servers",
        "Servers of a fleet that refuse, hang, break, are overloaded, come back, or lack the model.",
        ("fleet/test_fleet.py", "fleet/test_policy.py"),
    ),
    Family(
        "Files of requests",
        "A batch that is killed, interrupted, or given the wrong files.",
        ("fleet/batch/test_run.py", "fleet/batch/test_results.py"),
    ),
    Family("Waiting", "How a caller waits: in a thread, in a greenlet.", ("_hub/test_waiter.py",)),
    Family("Patching", "Programs under gevent's monkey-patching.", ("test_patch.py",)),
)
HOSTS = Family(
    "Hosts",
    "The SDK in the servers and workers that its users have. These run once, unpatched: what is started patches itself.",
    ("hosts",),
)

# Test, as "rude/test_words.py::test_x", to variant to "ok", "failed" or "skipped".
Results = dict[str, dict[str, str]]


def modules(family: Family) -> list[Path]:
    """Give the test modules of a family."""
    found: list[Path] = []
    for name in family.tests:
        path = ROOT / "tests" / name
        found += sorted(path.glob("test_*.py")) if path.is_dir() else [path]
    return found


def promises(module: Path) -> dict[str, str]:
    """Give the tests of a module, each with the sentence that says what it holds."""
    return {
        f"{module.relative_to(ROOT / 'tests').as_posix()}::{node.name}": " ".join(
            (ast.get_docstring(node) or "").split()
        )
        for node in ast.parse(module.read_text(encoding="utf-8")).body
        if isinstance(node, ast.FunctionDef) and node.name.startswith("test_")
    }


# Measuring.


def python(*arguments: str | Path) -> None:
    """Run this Python to its end, whatever that is: what it wrote down tells how it went."""
    subprocess.run([sys.executable, *arguments], check=False)  # noqa: S603  # our own commands


def run_tests(families: tuple[Family, ...], *, patched: bool = False) -> Results:
    """Run the tests of some families; return how each variant of each test ended."""
    # What looks only at processes of its own is the same in a patched one.
    how = ["gevent.monkey", "--module", "pytest"] if patched else ["pytest"]
    which = "not once and not own_process" if patched else "not once"
    tests = [module for family in families for module in modules(family)]
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder, "report.xml")
        options = ["-q", "-m", which, "--hypothesis-profile", "quick", "-o", "junit_family=xunit1"]
        where: list[str | Path] = [
            "-c",
            ROOT / "pyproject.toml",
            "--rootdir",
            ROOT,
            "--junitxml",
            report,
        ]
        python("-m", *how, *options, *where, *tests)
        return outcomes(report)


def outcomes(report: Path) -> Results:
    """Read a report in JUnit's form: by test, by variant, "ok" or what else became of it."""
    found: Results = {}
    for case in ET.parse(report).iter("testcase"):  # noqa: S314  # pytest wrote it just now
        name, _, variant = case.attrib["name"].removesuffix("]").partition("[")
        test = f"{case.attrib['file'].removeprefix('tests/')}::{name}"
        bad = {child.tag for child in case} & {"failure", "error", "skipped"}
        outcome = "failed" if bad & {"failure", "error"} else "skipped" if bad else "ok"
        # A test that passed and left something behind is in the report twice.
        if found.setdefault(test, {}).get(variant) != "failed":
            found[test][variant] = outcome
    return found


def run_script(name: str, *arguments: str) -> Any:
    """Run a script of the tests that writes its figures as JSON; return them."""
    with tempfile.TemporaryDirectory() as folder:
        figures = Path(folder, "figures.json")
        python(ROOT / "tests" / "soak" / name, "--json", figures, *arguments)
        return json.loads(figures.read_text(encoding="utf-8"))


def surroundings() -> dict[str, Any]:
    """Say when and on what it was measured."""
    memory = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") / 2**30
    installed = {found.name.lower(): found.version for found in importlib.metadata.distributions()}
    # A part that does not need one of them may be measured without.
    versions = {name: installed[name] for name in PACKAGES.split() if name in installed}
    return {
        "date": datetime.datetime.now(datetime.timezone.utc).date().isoformat(),
        "python": platform.python_version(),
        "system": f"{platform.system()} {platform.release()}",
        "machine": f"{os.cpu_count()} cores, {memory:.0f} GiB",
        "load": round(os.getloadavg()[0], 1),
        "packages": versions,
    }


def measure(part: str, minutes: float) -> dict[str, Any]:
    """Measure one part."""
    found: dict[str, Any] = {"where": surroundings()}
    if part == "tests":
        found["plain"] = run_tests(FAMILIES)
        found["patched"] = run_tests(FAMILIES, patched=True)
    elif part == "hosts":
        found["plain"] = run_tests((HOSTS,))
    elif part == "cancels":
        found["figures"] = run_script("cancels.py")
    else:
        found["figures"] = run_script("soak.py", "--minutes", str(minutes))
    return found


PARTS = ("tests", "hosts", "cancels", "soak")

# The page.


def page(figures: dict[str, Any]) -> str:
    """Write the page."""
    tests, hosts = figures["tests"], figures["hosts"]
    blocks = [INTRO.strip(), summary(figures)]
    for family in FAMILIES:
        blocks += of_family(family, {"plain": tests["plain"], "patched": tests["patched"]})
    blocks += of_family(HOSTS, {"result": hosts["plain"]})
    blocks += ["### Shapes", shapes(hosts["plain"])]
    blocks += ["## How soon a cancel is felt", CANCELS.strip(), cancels(figures["cancels"])]
    blocks += ["## The soak", SOAK.strip(), soak(figures["soak"])]
    return "\n\n".join(blocks) + "\n"


INTRO = """\
# Reliability

What can go wrong, what is promised then, and the test that holds it. Written by one command:

<!-- not run: it takes some twenty minutes -->
```bash
tox -e reliability
```

which runs `python docs/build_reliability.py`: the tests below, as they are and with the whole process under gevent's
monkey-patching, the hosts, the cancels, the soak. The figures are in [reliability.json](reliability.json). What a test holds is
its docstring. After each test it is looked whether a thread, a socket or a job of the hub was left behind; if so, the test has
failed. "12 ok" means that all 12 variants of a test passed; a hyphen, that the test starts processes of its own, and that
patching the one that starts them changes nothing.
"""

CANCELS = """\
A thread waits in `for part in stream`, another one cancels. From the call of `cancel()` until the waiting thread goes on, and until the
server sees that the connection is closed. Client and server share a process and its GIL, so these are upper bounds.
"""

SOAK = """\
16 threads, for minutes, follow streams of a server that breaks most of them: one by one in every way that a stream can be read, merged, in
greenlets, in forked children, cancelled, dropped, slowly. Each stream must end as its fault demands, its parts in order, none lost and none
twice. After each round, when all is quiet, memory, descriptors, threads, greenlets and jobs are counted; after the first third, which
warms up, they may not grow (memory: by no more than 8 MiB).
"""


def table(head: list[str], rows: list[list[str]], right: int = 0) -> str:
    """Write a table; the last `right` columns are numbers."""
    rules = ["---"] * (len(head) - right) + ["---:"] * right
    lines = [head, rules, *([cell.replace("|", "\\|") for cell in row] for row in rows)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def told(variants: dict[str, str] | None) -> str:
    """Say how the variants of a test ended."""
    if not variants:
        return "-"
    counts = Counter(variants.values())
    return ", ".join(f"{count} {outcome}" for outcome, count in sorted(counts.items()))


def words(test: str) -> str:
    """Write the name of a test as the sentence that it is."""
    return test.partition("::test_")[2].replace("_", " ")


def of_family(family: Family, columns: dict[str, Results]) -> Iterator[str]:
    """Write the section of a family."""
    rows = []
    for module in modules(family):
        link = f"../{module.relative_to(ROOT).as_posix()}"
        for test, promise in promises(module).items():
            results = [told(column.get(test)) for column in columns.values()]
            # What is not run here, being the same on every Python, is marked `once`.
            if set(results) != {"-"}:
                rows.append([f"[{words(test)}]({link})", promise, *results])
    yield f"## {family.title}"
    yield family.about
    yield table(["test", "what it holds", *columns], rows, len(columns))


def summary(figures: dict[str, Any]) -> str:
    """Count it all, and say where it ran."""
    rows = []
    for name, column in (
        ("the tests", figures["tests"]["plain"]),
        ("the same, patched", figures["tests"]["patched"]),
        ("the hosts", figures["hosts"]["plain"]),
    ):
        counts = Counter(outcome for test in column.values() for outcome in test.values())
        numbers = [str(counts[outcome]) for outcome in ("ok", "failed", "skipped")]
        rows.append([name, str(len(column)), *numbers])
    where = [[part, *described(figures[part]["where"])] for part in PARTS]
    packages = figures["hosts"]["where"]["packages"]
    return "\n\n".join(
        (
            table(["what ran", "tests", "variants ok", "failed", "skipped"], rows, 4),
            table(["measured", "on", "with", "machine", "its load at the start"], where),
            f"With {', '.join(f'{name} {version}' for name, version in packages.items())}.",
        )
    )


def described(where: dict[str, Any]) -> list[str]:
    """Say when and on what a part was measured."""
    python = f"Python {where['python']}, {where['system']}"
    return [where["date"], python, where["machine"], str(where["load"])]


def shapes(results: Results) -> str:
    """List the variants of the hosts' tests by name: they are the shapes of hosts."""
    rows = [
        [words(test), ", ".join(f"`{name}`" for name in variants)]
        for test, variants in results.items()
        if "" not in variants
    ]
    return table(["test", "shapes"], rows)


def cancels(part: dict[str, Any]) -> str:
    """Write the times of the cancels."""
    rows = [
        [stage, seen, str(one["count"]), *(f"{one[name]:.2f}" for name in ("p50", "p99", "max"))]
        for stage, by in part["figures"].items()
        for seen, one in by.items()
    ]
    return table(["the stream", "until", "cancels", "p50 ms", "p99 ms", "max ms"], rows, 4)


def soak(part: dict[str, Any]) -> str:
    """Write the figures of the soak."""
    found = part["figures"]
    minutes, rounds = found["seconds"] / 60, found["rounds"]
    wrong = f"{len(found['wrong'])} things failed" if found["wrong"] else "nothing was wrong"
    faults = [
        [fault, str(sum(ends.values())), ", ".join(f"{end} {n}" for end, n in sorted(ends.items()))]
        for fault, ends in found["outcomes"].items()
    ]
    step = max(1, len(rounds) // 8)
    held = [
        [str(number), f"{one['rss'] / 2**20:.1f}"]
        + [str(one[name]) for name in ("descriptors", "threads", "greenlets", "jobs")]
        for number, one in [*enumerate(rounds)][::-step][::-1]
    ]
    ways = ", ".join(f"{way} {count}" for way, count in found["ways"].items())
    return "\n\n".join(
        (
            f"{minutes:.1f} minutes, seed {found['seed']}: {found['streams']} streams, {found['parts']} parts; {wrong}.",
            table(["fault", "streams", "how they ended"], faults),
            f"By the way they were followed: {ways}.",
            table(["round", "MiB", "descriptors", "threads", "greenlets", "jobs"], held, 6),
        )
    )


def complaints(figures: dict[str, Any]) -> list[str]:
    """Say what failed."""
    columns = [figures["tests"]["plain"], figures["tests"]["patched"], figures["hosts"]["plain"]]
    failed = [
        f"{test}[{variant}] failed"
        for column in columns
        for test, variants in column.items()
        for variant, outcome in variants.items()
        if outcome == "failed"
    ]
    return [*failed, *figures["soak"]["figures"]["wrong"]]


def main(arguments: list[str]) -> int:
    """Measure, and write the page. Returns the exit status."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("parts", nargs="*", metavar="part", help=f"of {', '.join(PARTS)}; all")
    parser.add_argument("--minutes", type=float, default=10.0, help="of the soak")
    options = parser.parse_args(arguments)
    if unknown := {*options.parts} - {*PARTS}:
        parser.error(f"no such part: {', '.join(sorted(unknown))}")
    figures = json.loads(FIGURES.read_text(encoding="utf-8")) if FIGURES.exists() else {}
    for part in options.parts or PARTS:
        figures[part] = measure(part, options.minutes)
        FIGURES.write_text(json.dumps(figures, indent=1) + "\n", encoding="utf-8")
    PAGE.write_text(page(figures), encoding="utf-8")
    print(*complaints(figures) or ["nothing failed"], sep="\n")
    return 1 if complaints(figures) else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
