"""The policy of a fleet: where the next call goes, by numbers alone."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ollama_sync.fleet import ServerState
from ollama_sync.fleet.policy import NoServer, canonical, choose, rest_after

M = "llama3.2:latest"
HAS = frozenset({M})
LACKS = frozenset({"other:latest"})


def server(name: str = "a", **facts: object) -> ServerState:
    return ServerState(**{"host": f"http://{name}:11434", "places": 4, "models": HAS, **facts})  # type: ignore[arg-type] # facts are its fields


def test_a_server_that_has_the_model_comes_before_one_of_which_nothing_is_known() -> None:
    """Knowing that a server has the model beats not knowing, even where it is busier."""
    assert choose([server("a", models=None), server("b", running=3)], M) == 1


def test_a_server_without_the_model_is_left_out_while_another_has_it() -> None:
    """A call waits for a server that has the model rather than going to one that has not."""
    assert choose([server("a", models=LACKS), server("b", running=4)], M) is NoServer.BUSY
    resting = server("b", is_resting=True)
    assert choose([server("a", models=LACKS), resting], M) is NoServer.DOWN


def test_where_nobody_has_the_model_everybody_is_asked() -> None:
    """A model that no list shows may still be served: one of the cloud, or one that was pulled a moment ago."""
    assert choose([server("a", models=LACKS), server("b", models=LACKS)], M) == 0


def test_a_loaded_model_wins_over_fewer_calls() -> None:
    """Loading a model takes longer than queueing behind another call."""
    assert choose([server("a"), server("b", loaded=HAS, running=3)], M) == 1


def test_the_least_loaded_by_share_wins() -> None:
    """Servers are compared by the share of their places that is taken."""
    big = server("big", places=8, running=3)
    small = server("small", places=2, running=1)
    assert choose([small, big], M) == 1


def test_of_equals_the_one_with_more_free_places_wins() -> None:
    """An idle fleet fills its larger servers first."""
    assert choose([server("small", places=2), server("big", places=8)], M) == 1


def test_a_conversation_goes_on_at_its_next_server_when_its_own_is_full() -> None:
    """An affinity is a preference: a full server is passed by, in the order of the conversation."""
    servers = [server(name) for name in "abc"]
    home = choose(servers, M, "talk")
    assert isinstance(home, int)
    full = [
        server(name, running=4) if number == home else server(name)
        for number, name in enumerate("abc")
    ]
    second = choose(full, M, "talk")
    assert isinstance(second, int)
    assert second != home
    assert choose(servers, M, "talk", excluded={home}) == second


def test_when_a_server_goes_only_its_own_conversations_move() -> None:
    """Rendezvous hashing: a conversation whose server lives stays there, and the rest spread over all others."""
    servers = [server(name) for name in "abcd"]
    gone = [server(name, is_resting=name == "b") for name in "abcd"]
    moved_to: Counter[int] = Counter()
    for number in range(400):
        before, after = choose(servers, M, f"talk {number}"), choose(gone, M, f"talk {number}")
        if before != 1:
            assert after == before
        else:
            assert isinstance(after, int)
            moved_to[after] += 1
    assert set(moved_to) == {0, 2, 3}
    assert min(moved_to.values()) > 15


states = st.builds(
    ServerState,
    host=st.sampled_from([f"http://{name}:1" for name in "abcdefgh"]),
    places=st.integers(1, 8),
    running=st.integers(0, 8),
    models=st.sampled_from([None, HAS, LACKS, HAS | LACKS]),
    loaded=st.sampled_from([frozenset(), HAS]),
    is_resting=st.booleans(),
)


@given(
    st.lists(states, max_size=8),
    st.none() | st.text(max_size=5),
    st.sets(st.integers(0, 7), max_size=3),
)
def test_no_server_gets_more_than_its_places(
    servers: list[ServerState], affinity: str | None, excluded: set[int]
) -> None:
    """What is chosen has a free place, does not rest and is not excluded; where such a server has the model there is a choice."""
    chosen = choose(servers, M, affinity, excluded)
    usable = [
        number
        for number, state in enumerate(servers)
        if state.free and number not in excluded and M in (state.models or ())
    ]
    if isinstance(chosen, int):
        assert servers[chosen].free
        assert chosen not in excluded
        assert not usable or chosen in usable
    else:
        assert not usable


@given(st.lists(st.integers(1, 6), min_size=1, max_size=6), st.integers(1, 60))
def test_a_fleet_fills_all_its_places_and_no_more(places: list[int], calls: int) -> None:
    """As many calls run as there are places, whatever their sizes; no place stays empty while a call waits."""
    running = [0] * len(places)
    refused = 0
    for _ in range(calls):
        servers = [
            server(str(number), places=most, running=now)
            for number, (most, now) in enumerate(zip(places, running, strict=True))
        ]
        chosen = choose(servers, M)
        if isinstance(chosen, int):
            running[chosen] += 1
        else:
            refused += 1
    assert sum(running) == min(calls, sum(places))
    assert refused == calls - sum(running)


@given(st.integers(1, 10_000), st.floats(0, 1e6))
def test_a_rest_is_between_a_second_and_a_minute(failures: int, asked_for: float) -> None:
    """However often a server fails, and whatever it asks for, it is asked again within a minute."""
    assert 1.0 <= rest_after(failures, asked_for) <= 60.0


def test_a_server_may_ask_for_a_longer_rest() -> None:
    """`Retry-After` is kept to."""
    assert rest_after(1, 30.0) == 30.0


@pytest.mark.parametrize(
    ("given_name", "name"),
    [
        ("llama3.2", "llama3.2:latest"),
        ("Llama3.2:1B", "llama3.2:1b"),
        ("localhost:5000/team/m", "localhost:5000/team/m:latest"),
        (" m ", "m:latest"),
    ],
)
def test_names_are_compared_as_the_server_spells_them(given_name: str, name: str) -> None:
    """The tag that Ollama adds is added, and the case of letters does not count."""
    assert canonical(given_name) == name
