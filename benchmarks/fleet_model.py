"""A model of servers and their prompts, in simulated seconds: what `fleet_sim.py` runs. No network, no clock, one thread.

`Simulation` owns everything that changes. It is a loop over a heap of events, with the real policy of a fleet
(`ollama_sync.fleet.policy`), or with what is put in its place. What is assumed of servers is below, as constants.
"""

from __future__ import annotations

import heapq
import itertools
import math
import random
import sys
from collections import OrderedDict, deque
from pathlib import Path
from typing import Any, NamedTuple

# The package of this checkout, and not one that is installed elsewhere.
sys.path.insert(0, str(Path(__file__).parents[1]))

from ollama_sync.fleet.policy import NoServer, choose, rest_after

# A server of speed 1. Each place works at its own rate, however many are taken; `SPEEDS` go round among the servers.
PLACES = 4
SPEEDS = (1.0, 0.7, 1.4)
TOKENS_PER_SECOND = 50.0
PROMPT_TOKENS_PER_SECOND = 1000.0
# Of the models that all servers have, room is for so many at a time.
MODELS = ("a", "b", "c")
SHARES = (0.7, 0.25, 0.05)
ROOM = 2
SECONDS_TO_LOAD = 10.0
# How many conversations a server's prompt cache holds; the oldest makes room.
CACHED = 16
# A call breaks somewhere in its midst; a server is away for a while, and what it works on breaks.
BREAKS = 0.005
SECONDS_BETWEEN_OUTAGES = 3600.0
OUTAGE = 120.0
# Tokens of an answer: Pareto's distribution, cut off. A tenth of them makes half of the work.
SHORTEST, LONGEST, TAIL = 80, 4000, 1.5
# A conversation: seconds until the next question, and its tokens.
THINKING = 20.0
QUESTION = 300

ARRIVE, END, BREAK, FAIL, RETURN, WAKE = range(6)


class Prompt(NamedTuple):
    """One call: what it asks for. `turn` counts on from 0 in a conversation of `turns`."""

    born: float
    model: str
    context: int  # tokens to read
    answer: int  # tokens to make
    conversation: str | None = None
    turn: int = 0
    turns: int = 1


class Server:
    """What the policy sees of a server, and what only the model knows."""

    __slots__ = (
        *("cache", "failures", "generation", "host", "is_resting", "is_up", "loaded"),
        *("models", "places", "queue", "running", "speed"),
    )

    def __init__(self, number: int) -> None:
        self.host = f"http://gpu{number}:11434"
        self.places = PLACES
        self.running = 0
        self.is_resting = False
        self.models = frozenset(MODELS)
        self.loaded: OrderedDict[str, float] = OrderedDict()  # model: when it can be used
        self.speed = SPEEDS[number % len(SPEEDS)]
        self.is_up = True
        self.generation = 0  # grows with each outage: what was begun before has broken
        self.failures = 0
        self.cache: OrderedDict[str, tuple[str, int]] = OrderedDict()  # conversation: model, tokens
        self.queue: deque[Prompt] = deque()  # its own, where nobody counts places before it

    def seconds_for(self, prompt: Prompt, now: float) -> tuple[float, float, int]:
        """Begin a call: return the seconds to its first token, those to its end, and the tokens that the cache knew."""
        if prompt.model not in self.loaded:
            if len(self.loaded) == ROOM:
                oldest, _ = self.loaded.popitem(last=False)
                for key in [key for key, (model, _) in self.cache.items() if model == oldest]:
                    del self.cache[key]
            self.loaded[prompt.model] = now + SECONDS_TO_LOAD / self.speed
        self.loaded.move_to_end(prompt.model)
        known = self.cache.get(prompt.conversation or "", ("", 0))[1]
        reading = (prompt.context - known) / (PROMPT_TOKENS_PER_SECOND * self.speed)
        first = max(0.0, self.loaded[prompt.model] - now) + reading
        return first, first + prompt.answer / (TOKENS_PER_SECOND * self.speed), known

    def remember(self, prompt: Prompt) -> None:
        """Keep what a call has left in the prompt cache."""
        if prompt.conversation is not None:
            self.cache[prompt.conversation] = (prompt.model, prompt.context + prompt.answer)
            self.cache.move_to_end(prompt.conversation)
            if len(self.cache) > CACHED:
                self.cache.popitem(last=False)


def work_of(prompt: Prompt) -> float:
    """Return the seconds of one place of a server of speed 1 that a call takes when nothing is cached."""
    return prompt.context / PROMPT_TOKENS_PER_SECOND + prompt.answer / TOKENS_PER_SECOND


def answer_tokens(chance: random.Random) -> int:
    """Draw the length of an answer."""
    return min(LONGEST, int(SHORTEST * chance.paretovariate(TAIL)))


def prompts_of_a_file(count: int, chance: random.Random) -> list[Prompt]:
    """Draw prompts that know nothing of each other, for one model, all there from the beginning."""
    return [Prompt(0.0, MODELS[0], QUESTION, answer_tokens(chance)) for _ in range(count)]


def prompts_of_people(
    count: int, servers: list[Server], load: float, chance: random.Random
) -> list[Prompt]:
    """Draw the first turns of conversations that have about `count` turns in all, for that share of what the servers can do."""
    turns = []
    while sum(turns) < count:
        turns.append(1 + min(20, int(chance.expovariate(0.2))))
    mean_answer = sum(answer_tokens(chance) for _ in range(10_000)) / 10_000
    work = sum(
        work_of(Prompt(0.0, "a", int(QUESTION + turn * (QUESTION + mean_answer)), int(mean_answer)))
        for length in turns
        for turn in range(length)
    )
    seconds = work / (load * PLACES * sum(server.speed for server in servers))
    return [
        Prompt(
            *(chance.random() * seconds, chance.choices(MODELS, SHARES)[0]),
            *(QUESTION, answer_tokens(chance), f"conversation-{number}", 0, length),
        )
        for number, length in enumerate(turns)
    ]


class Result(NamedTuple):
    """What came of a run: seconds of simulated time, shares, counts."""

    done: int
    ends: list[float]  # when each was answered
    firsts: list[float]  # seconds to each first token
    cached: float  # share of the tokens to read that a cache knew
    loads: int
    broken: int
    choices: int


class Simulation:
    """One run: servers, prompts, and what chooses.

    Args:
        size: how many servers.
        chooser: "fleet", "affinity", "random" or "round-robin".
        seed: of everything that is drawn.
    """

    def __init__(self, size: int, chooser: str, seed: int) -> None:
        self.servers = [Server(number) for number in range(size)]
        self._chooser = chooser
        self._counts_places = chooser in ("fleet", "affinity")
        self._chance = random.Random(seed)
        self._turn = itertools.cycle(range(size))
        self._events: list[tuple[float, int, int, Any, Any]] = []
        self._order = itertools.count()
        self._waiting: deque[Prompt] = deque()
        self._free = size * PLACES  # of servers that do not rest
        self._to_come = 0
        self._now = 0.0
        self._firsts: list[float] = []
        self._ends: list[float] = []
        self._read = self._known = self._loads = self._broken = self._choices = 0

    def run(self, prompts: list[Prompt]) -> Result:
        """Let all of them be answered."""
        self._to_come = sum(prompt.turns for prompt in prompts)
        if prompts[-1].born == 0.0 and self._counts_places:
            self._waiting.extend(prompts)
        else:
            for prompt in prompts:
                self._at(prompt.born, ARRIVE, None, prompt)
        for server in self.servers:
            self._at(self._until_outage(), FAIL, server, None)
        self._serve_waiting()
        acts = (self._arrive, self._end, self._break, self._fail, self._return, self._wake)
        while self._to_come:
            self._now, _, kind, server, what = heapq.heappop(self._events)
            acts[kind](server, what)
        return Result(
            len(self._firsts),
            self._ends,
            self._firsts,
            self._known / max(1, self._read),
            self._loads,
            self._broken,
            self._choices,
        )

    def _at(self, when: float, kind: int, server: Server | None, what: Any) -> None:
        heapq.heappush(self._events, (when, next(self._order), kind, server, what))

    def _until_outage(self) -> float:
        return self._now + self._chance.expovariate(1 / SECONDS_BETWEEN_OUTAGES)

    # Where a call goes.

    def _arrive(self, _: None, prompt: Prompt) -> None:
        if self._counts_places:
            self._waiting.append(prompt)
            self._serve_waiting()
            return
        # Nobody counts: a server that refuses is known by trying, and the next one is asked.
        for _ in range(2 * len(self.servers)):
            if self._chooser == "random":
                server = self._chance.choice(self.servers)
            else:
                server = self.servers[next(self._turn)]
            if server.is_up:
                server.queue.append(prompt)
                self._serve_queue(server)
                return
        self._at(self._now + 1.0, ARRIVE, None, prompt)

    def _serve_queue(self, server: Server) -> None:
        while server.queue and server.is_up and server.running < server.places:
            self._begin(server, server.queue.popleft())

    def _serve_waiting(self) -> None:
        """As a fleet does: in order of arrival, as long as there is a place; a server that refuses rests."""
        while self._waiting and self._free > 0:
            prompt = self._waiting[0]
            affinity = prompt.conversation if self._chooser == "affinity" else None
            self._choices += 1
            number = choose(self.servers, prompt.model, affinity)
            if isinstance(number, NoServer):
                return
            server = self.servers[number]
            if server.is_up:
                self._waiting.popleft()
                self._begin(server, prompt)
            else:
                self._rest(server, rest_after(server.failures + 1))

    # What becomes of it.

    def _begin(self, server: Server, prompt: Prompt) -> None:
        server.running += 1
        self._free -= not server.is_resting
        self._loads += prompt.model not in server.loaded
        first, seconds, known = server.seconds_for(prompt, self._now)
        if self._chance.random() < BREAKS:
            seconds *= self._chance.random()
            self._at(self._now + seconds, BREAK, server, (server.generation, prompt))
            return
        told = (server.generation, prompt, self._now + first - prompt.born, known)
        self._at(self._now + seconds, END, server, told)

    def _leave(self, server: Server) -> None:
        server.running -= 1
        self._free += not server.is_resting

    def _next(self, server: Server) -> None:
        if self._counts_places:
            self._serve_waiting()
        else:
            self._serve_queue(server)

    def _end(self, server: Server, told: tuple[int, Prompt, float, int]) -> None:
        generation, prompt, first, known = told
        self._leave(server)
        if generation != server.generation:
            self._again(server, prompt)
            return
        server.failures = 0
        server.remember(prompt)
        self._read += prompt.context
        self._known += known
        self._firsts.append(first)
        self._ends.append(self._now)
        self._to_come -= 1
        if prompt.turn + 1 < prompt.turns:
            when = self._now + self._chance.expovariate(1 / THINKING)
            context = prompt.context + prompt.answer + QUESTION
            following = prompt._replace(
                born=when,
                context=context,
                answer=answer_tokens(self._chance),
                turn=prompt.turn + 1,
            )
            self._at(when, ARRIVE, None, following)
        self._next(server)

    def _break(self, server: Server, told: tuple[int, Prompt]) -> None:
        self._leave(server)
        self._again(server, told[1])

    def _again(self, server: Server, prompt: Prompt) -> None:
        """A call has broken: it is made anew, before those that came after it."""
        self._broken += 1
        if self._counts_places:
            # One reply that breaks says little: the server is asked at once whether it is there.
            self._rest(server, rest_after(server.failures + 1) if server.failures else 0.0)
            self._waiting.appendleft(prompt)
            self._serve_waiting()
        else:
            self._arrive(None, prompt)
            self._serve_queue(server)

    # Servers that go and come.

    def _rest(self, server: Server, seconds: float) -> None:
        if not server.is_resting:
            server.is_resting = True
            self._free -= server.places - server.running
            server.failures += 1
            self._at(self._now + seconds, WAKE, server, None)

    def _wake(self, server: Server, _: None) -> None:
        """Ask a server that has rested whether it is there."""
        if server.is_up:
            server.is_resting = False
            self._free += server.places - server.running
            self._serve_waiting()
        else:
            server.failures += 1
            self._at(self._now + rest_after(server.failures), WAKE, server, None)

    def _fail(self, server: Server, _: None) -> None:
        """A server goes, with what it knew; its calls break now."""
        server.is_up = False
        server.generation += 1
        server.loaded.clear()
        server.cache.clear()
        self._at(self._now + OUTAGE, RETURN, server, None)
        self._break_what_runs(server)

    def _break_what_runs(self, server: Server) -> None:
        broken = [
            event for event in self._events if event[3] is server and event[2] in (END, BREAK)
        ]
        if broken:
            gone = {event[1] for event in broken}
            self._events = [event for event in self._events if event[1] not in gone]
            heapq.heapify(self._events)
        queued, server.queue = list(server.queue), deque()
        for event in sorted(broken):
            self._leave(server)
            self._again(server, event[4][1])
        for prompt in queued:
            self._arrive(None, prompt)

    def _return(self, server: Server, _: None) -> None:
        server.is_up = True
        self._at(self._until_outage(), FAIL, server, None)


def percentile(values: list[float], share: float) -> float:
    """Return the value that this share of all does not exceed."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, math.ceil(share * len(ordered)) - 1)]
