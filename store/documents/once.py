"""Imports with a key, of which each is done once."""

from saelake.store.documents.digest import DigestedSource
from saelake.store.documents.imports import (
    Progress,
    Source,
    check_corpus_name,
    import_documents,
)
from saelake.store.errors import AlreadyExists
from saelake.store.lake.keys import Done, read_done, write_done
from saelake.store.lake.lake import Lake
from saelake.store.reports import ImportReport, OnDuplicate
from saelake.store.tables.tables import Table


def import_once(
    lake: Lake,
    corpus: str,
    source: Source,
    *,
    key: str | None,
    on_duplicate: OnDuplicate = "skip",
    on_progress: Progress | None = None,
) -> ImportReport:
    """Import a source unless that was done for this key before; the report of the first time.

    Without a key it is imported. See `import_documents`. Raises `AlreadyExists` where the key is
    that of other rows.
    """
    check_corpus_name(corpus)
    if key is None:
        return import_documents(
            lake, corpus, source, on_duplicate=on_duplicate, on_progress=on_progress
        )
    digested = DigestedSource(source, on_duplicate)
    done = read_done(lake, corpus, key)
    if done is not None and Table.find(lake.documents(corpus)) is not None:
        _check_same(done, digested, key, corpus)
        return done.report
    report = import_documents(
        lake, corpus, digested, on_duplicate=on_duplicate, on_progress=on_progress
    )
    write_done(lake, corpus, key, Done(report=report, digest=digested.digest))
    return report


def _check_same(done: Done, source: DigestedSource, key: str, corpus: str) -> None:
    if done.digest is not None and done.digest != source.read():
        raise AlreadyExists(
            f"The key {key!r} was used for other rows of {corpus}, or to import them in another "
            "way, so nothing was imported. Give what is new a key of its own.",
            key=key,
            corpus=corpus,
        )
