"""The package's metadata. Settings of the tools are in pyproject.toml."""

from __future__ import annotations

import re
from pathlib import Path

from setuptools import find_packages, setup

HERE = Path(__file__).parent


def read_version() -> str:
    """Read the version from the one place that states it, without importing the package."""
    source = (HERE / "ollama_sync" / "_version.py").read_text(encoding="utf-8")
    match = re.search(r'^__version__ = "([^"]+)"$', source, re.MULTILINE)
    if match is None:
        raise RuntimeError('ollama_sync/_version.py has no line __version__ = "..."')
    return match[1]


setup(
    name="ollama-sync",
    version=read_version(),
    description="Blocking Python SDK for Ollama: streams read off-thread by gevent, handed over in batches of tokens",
    long_description=(HERE / "README.md").read_text(encoding="utf-8"),
    long_description_content_type="text/markdown",
    author="The ollama_sync authors",
    license_expression="MIT",
    license_files=["LICENSE"],
    keywords="ollama llm chat streaming gevent requests",
    classifiers=[
        "Development Status :: 4 - Beta",
        "Framework :: Flask",
        "Framework :: Pytest",
        "Intended Audience :: Developers",
        "Operating System :: POSIX",
        "Programming Language :: Python :: 3",
        "Programming Language :: Python :: 3 :: Only",
        "Programming Language :: Python :: 3.10",
        "Programming Language :: Python :: 3.11",
        "Programming Language :: Python :: 3.12",
        "Programming Language :: Python :: 3.13",
        "Programming Language :: Python :: 3.14",
        "Programming Language :: Python :: Implementation :: CPython",
        "Topic :: Scientific/Engineering :: Artificial Intelligence",
        "Topic :: Software Development :: Libraries :: Python Modules",
        "Typing :: Typed",
    ],
    python_requires=">=3.10",
    packages=find_packages(include=["ollama_sync", "ollama_sync.*"]),
    package_data={"ollama_sync": ["py.typed"]},
    # Each floor is installed and tested by the environment "mindeps" of tox.ini: keep the two lists alike.
    install_requires=[
        "gevent>=24.10.1",
        "greenlet>=3.5",
        "requests>=2.32.3",
        "urllib3>=2.2,<3",
        "ujson>=5.10",
        "msgspec>=0.19",
        "docstring-parser>=0.16",
    ],
    extras_require={
        "flask": ["flask>=3.0"],
        "redis": ["flask>=3.0", "redis>=5.0"],
        "cli": ["rich>=13.0", "argcomplete>=3.5"],
        "numpy": ["numpy>=1.26", "pysimdjson>=6.0.2"],
        "dask": ["distributed>=2024.8"],
        "otel": ["opentelemetry-api>=1.33"],
        "test": ["pytest>=8.3", "responses>=0.25"],
    },
    entry_points={
        "console_scripts": ["ollama-sync = ollama_sync.cli:main"],
        # Named as the module, see there.
        "pytest11": ["ollama_sync.pytest_plugin = ollama_sync.pytest_plugin"],
    },
    zip_safe=False,
)
