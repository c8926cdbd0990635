"""One step of a lake in a fresh process, and its largest resident memory.

`python -m benchmarks.growth.limit_runs STEP LAKE MODEL DICTIONARY MEMORY_BYTES`. STEP is encode,
index, tokens or features.
"""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from benchmarks.common.measure import Stretch, print_result
from saelake.store.engine import Engine
from saelake.store.growth.index import index
from saelake.store.lake.lake import CollectionName, Lake
from saelake.store.requests.features import FeaturesQuery
from saelake.store.requests.tokens import TokensQuery

COLLECTION = CollectionName("corpus", "dictionary")
MAX_TOKENS = 30


@contextmanager
def measured() -> Iterator[None]:
    """Print what is inside took, above what the process had when it began."""
    stretch = Stretch()
    yield
    print_result(**stretch.stop())


def encode(lake: str, model: str, dictionary: str, memory_bytes: int) -> None:
    import torch

    from saelake.workers.run import DictionaryChoice, EncodeOptions
    from saelake.workers.run import encode as run

    torch.set_num_threads(1)
    choice = DictionaryChoice(location=dictionary, name=COLLECTION.dictionary)
    options = EncodeOptions(memory_bytes=memory_bytes, max_tokens=MAX_TOKENS, shard_documents=100)
    with measured():
        run(Lake(lake), COLLECTION.corpus, model=model, dictionaries=[choice], options=options)


def indexing(lake: str, _model: str, _dictionary: str, memory_bytes: int) -> None:
    with measured():
        index(Lake(lake), COLLECTION, memory_bytes=memory_bytes)


def tokens(lake: str, _model: str, _dictionary: str, _memory_bytes: int) -> None:
    query = TokensQuery(collection=str(COLLECTION), expression="5", k=20)
    with measured():
        Engine(lake).ask(query).read_all()


def features(lake: str, _model: str, _dictionary: str, _memory_bytes: int) -> None:
    query = FeaturesQuery(collection=str(COLLECTION), token="the", k=20)
    with measured():
        Engine(lake).ask(query).read_all()


STEPS: dict[str, Callable[[str, str, str, int], None]] = {
    "encode": encode,
    "index": indexing,
    "tokens": tokens,
    "features": features,
}


if __name__ == "__main__":
    step, lake, model, dictionary, memory_bytes = sys.argv[1:]
    STEPS[step](lake, model, dictionary, int(memory_bytes))
