"""How long a question takes: the 20 strongest tokens of a feature, in this process."""

from benchmarks.common.measure import elapsed_s
from benchmarks.common.synthetic import NAME
from saelake.store.engine import Engine
from saelake.store.lake.lake import Lake
from saelake.store.requests.tokens import TokensQuery
from saelake.store.snapshot.collection import Collection

N_QUESTIONS = 200
ROUNDS = 3


def question_ms(lake: Lake) -> tuple[float, float]:
    """The p50 and p99 of questions about features of all popularities; of rounds the fastest."""
    engine = Engine(lake.uri)
    width = Collection(lake, NAME).settings.width
    features = range(0, width, max(width // N_QUESTIONS, 1))
    rounds = [sorted(_timed_ms(engine, feature) for feature in features) for _ in range(ROUNDS)]
    engine.close()
    times = min(rounds, key=sum)
    return times[len(times) // 2], times[int(0.99 * len(times))]


def _timed_ms(engine: Engine, feature: int) -> float:
    query = TokensQuery(collection=str(NAME), expression=str(feature))
    return 1e3 * elapsed_s(lambda: engine.ask(query).read_all())
