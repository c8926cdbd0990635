"""What states cost, and questions that are awaited: decision 039.

One lake of random codes, 2,000 documents; each number is the median of 5 rounds of 200 questions
(`tokens`, k = 20), which alternate.
"""

import asyncio
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from timeit import repeat

import saelake
from saelake import aio
from saelake.lake import Lake
from saelake.store.engine import Engine
from saelake.store.requests.tokens import TokensQuery
from saelake.store.service.serve import Address, BackgroundServer, ServerSettings
from saelake.store.snapshot.session import Session
from saelake.store.snapshot.stated import now_of, state_said
from saelake.store.tables.seen import Seen
from tests.lakes import make_lake

NAME, N, ROUNDS, TASKS = "made/random", 200, 5, 8


def each_ms(ask: Callable[[], object]) -> float:
    """Milliseconds a question."""
    begun = time.perf_counter()
    for _ in range(N):
        ask()
    return (time.perf_counter() - begun) / N * 1e3


def awaited_ms(target: str) -> float:
    """Milliseconds a question, of a few tasks at once."""

    async def ask() -> float:
        async with aio.connect(target) as lake:
            await lake[NAME].tokens(3)
            begun = time.perf_counter()
            for _ in range(N // TASKS):
                await asyncio.gather(*(lake[NAME].tokens(3) for _ in range(TASKS)))
            return (time.perf_counter() - begun) / N * 1e3

    return asyncio.run(ask())


def main() -> None:
    """Print each way to ask, and how long it took."""
    with tempfile.TemporaryDirectory() as folder:
        made = make_lake(Path(folder) / "lake", n_documents=2000, seed=3)
        settings = ServerSettings(uri=made.lake.uri, address=Address(port=0))
        here = saelake.connect(made.lake.uri)
        state = here[NAME].tokens(3).state or ""
        print(f"a state has {len(state)} characters, and takes {said_us(made.lake.uri):.0f} µs")
        with BackgroundServer(settings) as server, saelake.connect(server.target) as there:
            asked = ways(here, there, state)
            took: dict[str, list[float]] = {name: [] for name in (*asked, "served, awaited")}
            for _ in range(ROUNDS):
                for name, ask in asked.items():
                    took[name].append(each_ms(ask))
                took["served, awaited"].append(awaited_ms(server.target))
    for name, several in took.items():
        print(f"{name}: {statistics.median(several):.2f} ms")


def said_us(uri: str) -> float:
    """Microseconds to say of which state an answer is."""
    engine, query = Engine(uri), TokensQuery(collection=NAME, expression="3")
    collection, now = Session(engine.lake).collection(NAME), now_of(engine.lake)
    seen = Seen()
    seen.held(collection.pins)
    return min(repeat(lambda: state_said(now, query, seen), number=N)) / N * 1e6


def ways(here: Lake, there: Lake, state: str) -> dict[str, Callable[[], object]]:
    """The ways to ask one question, by name."""
    then_here, then_there = here.as_of(state), there.as_of(state)
    return {
        "in this process": lambda: here[NAME].tokens(3),
        "in this process, at a state": lambda: then_here[NAME].tokens(3),
        "served": lambda: there[NAME].tokens(3),
        "served, at a state": lambda: then_there[NAME].tokens(3),
    }


if __name__ == "__main__":
    main()
