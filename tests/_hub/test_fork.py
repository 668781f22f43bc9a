"""`_fork`: no child is left with half a module."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

CODE = """
import importlib.util, os, signal, sys, threading, time
import ollama_sync._hub

begun = threading.Event()

class Slow:
    def find_spec(self, name, path, target=None):
        if name != "ollama_sync._stream.token_decoder":
            return None
        sys.meta_path.remove(self)
        spec = importlib.util.find_spec(name)
        make = spec.loader.exec_module
        def exec_module(module):
            begun.set()
            time.sleep(0.3)
            make(module)
        spec.loader.exec_module = exec_module
        return spec

sys.meta_path.insert(0, Slow())
thread = threading.Thread(target=lambda: importlib.import_module("ollama_sync._stream.token_decoder"))
thread.start()
begun.wait()
child = os.fork()
if child == 0:
    signal.alarm(20)
    import ollama_sync._stream.token_decoder
    os._exit(0)
print(os.waitpid(child, 0)[1])
thread.join()
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_child_can_import_what_its_parent_was_importing() -> None:
    """A fork waits for the imports that other threads have begun; else the child's own would wait for ever."""
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", CODE],
        stdout=subprocess.PIPE,
        check=True,
        text=True,
        timeout=60,
    )
    assert done.stdout.split() == ["0"]
