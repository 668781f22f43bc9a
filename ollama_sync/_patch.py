"""The switch for programs that want everything green.

Runs on the main thread, before anything else is imported. The SDK itself needs no patch and makes none.
"""

from __future__ import annotations


def monkey_patch() -> None:
    """Make the standard library of this process cooperative, by gevent's `monkey.patch_all`.

    Call it first thing: what was imported before keeps its blocking parts (gevent warns about `ssl`). The SDK behaves the
    same afterwards; a waiting caller then blocks its greenlet only.

    Example:
        import ollama_sync

        ollama_sync.monkey_patch()
    """
    from gevent import monkey

    monkey.patch_all()
