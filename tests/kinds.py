"""Small lakes of every kind that postings may be in, for tests of what reads them."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from saelake.store.codes import table as codes_table
from saelake.store.growth import index as growth_index
from saelake.store.growth.delete import delete_documents
from saelake.store.growth.index import index
from saelake.store.index import builder, tiers
from saelake.store.index.builder import BYTES_PER_POSTING
from saelake.store.query.parts import candidates, lists
from saelake.store.query.parts import combined as combining
from saelake.store.query.parts import search as query_search
from saelake.store.snapshot.collection import Collection
from tests.lakes import MadeLake, add_documents, list_postings, make_lake

SHORTENED = ("long", "many", "split", "old-signed", "listed", "mixed", "few-others")
KINDS = ("16-bit", "8-bit", "signed", *SHORTENED)


def lake_of_kind(kind: str, folder: Path) -> MadeLake:
    """A lake of one of `KINDS`."""
    match kind:
        case "signed":
            return make_lake(folder, signed=True, seed=2)
        case "8-bit":
            return make_lake(folder, values="8-bit", seed=3)
        case "long":  # documents with parts, and posting lists with several tiers
            with pytest.MonkeyPatch.context() as patch:
                shorten(patch)
                return make_lake(folder, n_documents=60, tokens=(0, 30), seed=4)
        case "many":  # segments, some fragments that none covers, and deleted documents
            with pytest.MonkeyPatch.context() as patch:
                shorten(patch)
                lake = make_lake(
                    folder, n_documents=150, n_fragments=8, n_indexed=6, density=0.15, seed=5
                )
                return _without(lake, range(3, 150, 7))
        case "split":  # of an earlier saelake: segments between which documents are split
            with pytest.MonkeyPatch.context() as patch:
                shorten(patch)
                patch.setattr(codes_table, "SCAN_ROWS", 4)
                patch.setattr(builder, "_at_first_document", lambda rows: (rows.slice(0, 0), rows))
                patch.setattr(growth_index, "plan_merges", lambda *_, **__: [])
                lake = make_lake(
                    folder, n_documents=40, tokens=(0, 40), n_fragments=1, n_indexed=0, seed=6
                )
                index(lake.lake, lake.name, memory_bytes=BYTES_PER_POSTING * 60)
                assert len(Collection(lake.lake, lake.name).segments) > 4
                return lake
        case "listed" | "mixed":  # of an earlier saelake: later tiers as lists, some or all
            with pytest.MonkeyPatch.context() as patch:
                shorten(patch)
                patch.setattr(growth_index, "plan_merges", lambda *_, **__: [])
                lake = make_lake(folder, n_documents=120, n_fragments=6, n_indexed=4, seed=8)
                list_postings(lake)
                if kind == "mixed":
                    lake = add_documents(lake, 60, seed=9)
                    index(lake.lake, lake.name)
                    kinds = [s.is_packed for s in Collection(lake.lake, lake.name).segments]
                    assert set(kinds) == {False, True}
                return lake
        case "few-others":  # listed: that others fire is known, but not where
            with pytest.MonkeyPatch.context() as patch:
                shorten(patch, n_others=2)
                return make_lake(
                    folder, n_documents=90, tokens=(0, 8), density=0.6, n_fragments=4, seed=9
                )
        case "old-signed":  # rows of codes from before they had poles
            with pytest.MonkeyPatch.context() as patch:
                shorten(patch)
                return make_lake(folder, n_documents=60, signed=True, by_pole=False, seed=7)
    return make_lake(folder)


def _without(made: MadeLake, docs: range) -> MadeLake:
    """The lake without these documents."""
    delete_documents(made.lake, made.name.corpus, ids=[f"d{doc}" for doc in docs])
    return replace(made, codes=[code for code in made.codes if code.doc not in docs])


@contextmanager
def as_made(request: pytest.FixtureRequest, fixture: str) -> Iterator[None]:
    """Reads as the lake of a test was made, which its name says; the fixture gives the lake."""
    name = request.node.name
    if fixture in request.fixturenames and any(kind in name for kind in SHORTENED):
        with pytest.MonkeyPatch.context() as patch:
            shorten(patch, n_others=2 if "few-others" in name else None)
            yield
    else:
        yield


def shorten(patch: pytest.MonkeyPatch, n_others: int | None = None) -> None:
    """Parts of 8 tokens, tiers of 4 and 8 postings, bands: so that small lakes have several."""
    import tests.lakes
    from saelake.store.codes import characters
    from saelake.store.codes import table as codes
    from saelake.store.index import features, layout, merge, others, postings
    from saelake.store.query import codes as listed
    from saelake.workers.encoder import pack

    for module in (tests.lakes, characters, codes, postings, listed, pack):
        patch.setattr(module, "MAX_PART_TOKENS", 8)
    for module in (layout, merge, features, query_search, lists):
        patch.setattr(module, "TIERS", (4, 8))
    patch.setattr(layout, "BANDS", (16, 24))
    if n_others is not None:
        patch.setattr(others, "UNKNOWN", n_others + 1)
        for module in (layout, lists, others, tiers):
            patch.setattr(module, "MOST_OTHERS", n_others)
    patch.setattr(combining, "NARROWED", 3)
    patch.setattr(combining, "MOST_NARROWED", 5)
    patch.setattr(combining, "DOCUMENTS_PER_READ", 3)
    patch.setattr(combining, "FEW_DOCUMENTS", 2)
    patch.setattr(combining, "TRIED_DOCUMENTS", 9)
    patch.setattr(candidates, "BOUNDED_BELOW", 12)
