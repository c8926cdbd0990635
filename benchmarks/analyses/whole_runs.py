"""One analysis of a whole collection in a process of its own, and the largest memory that it took.

`python -m benchmarks.analyses.whole_runs STEP LAKE COLLECTION`. STEP is a key of `STEPS`, or
`imports`, which asks nothing: what a process has before it is asked.
"""

import sys
from collections.abc import Callable, Mapping
from importlib import import_module

from benchmarks.common.measure import Stretch, print_result
from saelake.store.engine import Engine
from saelake.store.requests.associate import AssociateQuery
from saelake.store.requests.checks import Selection
from saelake.store.requests.cluster import ClusterQuery
from saelake.store.requests.correlate import CorrelateQuery
from saelake.store.requests.diff import DiffQuery
from saelake.store.requests.families import FamiliesQuery
from saelake.store.requests.info import InfoQuery
from saelake.store.requests.match import MatchQuery
from saelake.store.requests.request import Request
from saelake.store.requests.select import SelectQuery

N_CLUSTERED = 200  # features of a phrase's size
SIDES = "label = 'pos'", "label = 'neg'"
TARGET = "shelf = 7"  # of a thousand


def _diff(name: str, **options: object) -> Request:
    a, b = (Selection(collection=name, where=where) for where in SIDES)
    return DiffQuery(a=a, others=(b,), **options)  # type: ignore[arg-type]


STEPS: Mapping[str, Callable[[str], Request]] = {
    "info": lambda _: InfoQuery(),
    "diff": _diff,
    "diff, tokens": lambda name: _diff(name, unit="token"),
    "diff, control length": lambda name: _diff(name, control=("length",)),
    "associate, two classes": lambda name: AssociateQuery(collection=name, columns=("label",)),
    "associate, a number": lambda name: AssociateQuery(collection=name, columns=("rating",)),
    "correlate": lambda name: CorrelateQuery(a=Selection(collection=name), min_npmi=0.05),
    "families": lambda name: FamiliesQuery(collection=name, min_npmi=0.05),
    "cluster, all features": lambda name: ClusterQuery(collection=name),
    "cluster, 200 features": lambda name: ClusterQuery(
        collection=name, features=tuple(range(N_CLUSTERED))
    ),
    "select": lambda name: SelectQuery(
        pool=Selection(collection=name), target=Selection(collection=name, where=TARGET)
    ),
    "match, 64 features": lambda name: MatchQuery(a=name, b=name, features=tuple(range(64))),
    "match": lambda name: MatchQuery(a=name, b=name),
}


def run(step: str, lake: str, name: str) -> None:
    """Ask, read the answer to its end, and print what that took."""
    request = None if step == "imports" else STEPS[step](name)
    if request is not None:
        import_module(f"saelake.store.query.{request.question}")
    stretch = Stretch()
    n_rows = 0 if request is None else Engine(lake).ask(request).read_all().num_rows
    print_result(**stretch.stop(), n_rows=n_rows)


if __name__ == "__main__":
    run(*sys.argv[1:])
