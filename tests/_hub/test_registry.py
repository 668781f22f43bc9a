"""The shared hub of each process."""

from __future__ import annotations

from collections.abc import Callable

AGAIN = """
import os, warnings
from ollama_sync._hub import shared_hub
warnings.simplefilter("ignore")
shared_hub().call(int)
ancestor = os.getpid()
child = os.fork()
if not child:
    os.getpid = lambda: ancestor  # as if that had ended, and its number been given again
    os.write(1, b"%d\\n" % shared_hub().call(lambda: 42))
    os._exit(0)
os.waitpid(child, 0)
"""


def test_a_process_with_the_number_of_an_ancestor_has_its_own_hub(
    in_process: Callable[[str], str],
) -> None:
    """Numbers recur: the hub of the ancestor, whose thread the process does not have, is not taken for its own."""
    assert in_process(AGAIN) == "42\n"
