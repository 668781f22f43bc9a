"""Programs with an event loop of their own: asyncio, and gevent patched before or after the import."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

ASYNCIO = """
import asyncio
from concurrent.futures import ThreadPoolExecutor
import ollama_sync

client = ollama_sync.Client()

def ask(number):
    with client.chat("m", [{"role": "user", "content": f"prompt{number}"}], stream=True) as stream:
        return "".join(part.message.content for part in stream)

async def main():
    ticks = 0
    async def tick():
        nonlocal ticks
        while True:
            ticks += 1
            await asyncio.sleep(0)
    ticking = asyncio.create_task(tick())
    loop = asyncio.get_running_loop()
    with ThreadPoolExecutor(10) as pool:
        in_pool = [loop.run_in_executor(pool, ask, number) for number in range(10)]
        got = await asyncio.gather(*in_pool)
    with_to_thread = await asyncio.gather(*(asyncio.to_thread(ask, n) for n in range(10, 12)))
    ticking.cancel()
    assert [*got, *with_to_thread] == [f"prompt{number}" for number in range(12)]
    assert ticks > 10, ticks
    print("done")

asyncio.run(main())
client.close()
"""


def test_asyncio_calls_through_threads(program: Callable[..., str], upstream: Any) -> None:
    """By `run_in_executor` and `asyncio.to_thread`; all at once, and the loop goes on meanwhile."""
    upstream.echo(together=10)
    assert program(ASYNCIO) == "done\n"


TOGETHER = """
import warnings
warnings.filterwarnings("ignore", "Monkey-patching ssl after ssl")  # gevent's word to who patches late
{}
import threading
client = ollama_sync.Client()
{}
got = []

def ask(number):
    with client.chat("m", [{{"role": "user", "content": f"prompt{{number}}"}}], stream=True) as stream:
        got.append("".join(part.message.content for part in stream))

threads = [threading.Thread(target=ask, args=(number,)) for number in range(10)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
assert sorted(got) == [f"prompt{{number}}" for number in range(10)], got
from gevent import monkey
print(monkey.is_module_patched("threading"))
client.close()
"""

OURS = "import ollama_sync; ollama_sync.monkey_patch()"
GEVENTS = "from gevent import monkey; monkey.patch_all()"
WHEN = {
    "never": ("import ollama_sync", ""),
    "ours at first": (OURS, ""),
    "ours after use": ("import ollama_sync", f"client.version(); {OURS}"),
    "gevent's before the import": (f"{GEVENTS}; import ollama_sync", ""),
    "gevent's after the import": (f"import ollama_sync; {GEVENTS}", ""),
    "gevent's after use": ("import ollama_sync", f"client.version(); {GEVENTS}"),
}


@pytest.mark.parametrize("when", WHEN)
def test_threads_or_greenlets_stream_at_once_whenever_the_process_was_patched(
    when: str, program: Callable[..., str], upstream: Any
) -> None:
    """None, ours or gevent's own patch; before the import, after it, or when the hub runs already."""
    # Each waits for the others: a caller that blocked all greenlets would wait for ever.
    upstream.echo(together=10)
    assert program(TOGETHER.format(*WHEN[when])) == f"{when != 'never'}\n"
