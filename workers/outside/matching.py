"""Which documents the rows of a source are of."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from saelake.store.documents.documents import Documents
from saelake.store.documents.scratch import Scratch
from saelake.store.errors import CorpusError
from saelake.store.format.lists import Array, concatenate
from saelake.store.lake.lake import Lake
from saelake.store.tables.tables import Table

IDS_PER_SCAN = 65_536
EXAMPLES = 3
UNKNOWN = -1


@dataclass(frozen=True, slots=True, kw_only=True)
class MatchedRuns:
    """The document of each run, int64 (n,): `UNKNOWN` where the corpus has none of its id.

    `unknown` are the first ids of those.
    """

    doc: Array
    unknown: Sequence[str]

    @property
    def n_unknown(self) -> int:
        """How many runs are of no document."""
        return int((self.doc == UNKNOWN).sum())

    def ordered(self) -> tuple[Array, Array]:
        """The runs that are of documents, by document; and the documents, int64 both."""
        known = np.flatnonzero(self.doc != UNKNOWN)
        runs = known[np.argsort(self.doc[known], kind="stable")]
        return runs, self.doc[runs]


def matched(
    lake: Lake, corpus: str, ids: Iterable[Sequence[str]], source: str, *, once: bool
) -> MatchedRuns:
    """Which documents of a corpus the runs are of, by their ids; the corpus need not be there.

    Raises `CorpusError` where an id is there twice, if `once`.
    """
    docs: list[Array] = []
    unknown: list[str] = []
    with Scratch() as scratch:
        _claim_documents(lake, corpus, scratch)
        first = 0
        for some in ids:
            claimants = [UNKNOWN - 1 - run for run in range(first, first + len(some))]
            owners = np.array(scratch.claim(some, claimants), np.int64)
            if once:
                _check_once(some, owners, np.array(claimants), source)
                known = [
                    own for own, owner in zip(some, owners.tolist(), strict=True) if owner >= 0
                ]
                scratch.own(known, [claimants[0]] * len(known))
            docs.append(np.where(owners >= 0, owners, UNKNOWN))
            missing = np.flatnonzero(owners < 0)[: EXAMPLES - len(unknown)]
            unknown += [some[i] for i in missing.tolist() if some[i] not in unknown]
            first += len(some)
    return MatchedRuns(doc=concatenate(docs, np.int64), unknown=tuple(unknown))


def _claim_documents(lake: Lake, corpus: str, scratch: Scratch) -> None:
    """Let the documents that are not deleted own their ids."""
    if Table.find(lake.documents(corpus)) is None:
        return
    documents = Documents(lake, corpus, Table.open(lake.documents(corpus)))
    first = 0
    for batch in documents.table.scan(["id"], batch_rows=IDS_PER_SCAN):
        docs = np.arange(first, first + batch.num_rows)
        ids = batch["id"]
        if documents.alive is not None:
            kept = documents.alive[docs]
            docs, ids = docs[kept], ids.filter(kept)
        scratch.claim(ids.to_pylist(), docs.tolist())
        first += batch.num_rows


def _check_once(ids: Sequence[str], owners: Array, claimants: Array, source: str) -> None:
    again = np.flatnonzero((owners < 0) & (owners != claimants))
    twice = ids[int(again[0])] if len(again) else _twice(ids)
    if twice is not None:
        raise CorpusError(
            f"{source} has the id {twice!r} twice. Give each document one row; rows of several "
            "units of a document have 'start' and 'end', and are imported with --unit span or "
            "--unit token.",
            source=source,
            id=twice,
        )


def _twice(ids: Sequence[str]) -> str | None:
    """An id that is there twice."""
    counts = Counter(ids)
    return None if len(counts) == len(ids) else counts.most_common(1)[0][0]
