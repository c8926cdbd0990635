"""Codes that another system made, imported as a collection: exactly once, and in bounded memory."""

from collections.abc import Iterator, Mapping

import numpy as np
import pyarrow.compute as pc

from saelake.store.arrays.memory import lean, one_arena
from saelake.store.codes.table import CodesTable
from saelake.store.documents.documents import Documents
from saelake.store.documents.imports import import_documents
from saelake.store.documents.known import check_on_duplicate
from saelake.store.errors import AlreadyExists, CorpusError
from saelake.store.format.lists import Array, concatenate
from saelake.store.format.schema import IMPORTED, CollectionSettings, check_name
from saelake.store.labels.labels import LabelsTable
from saelake.store.labels.rows import dated, label_row
from saelake.store.labels.written import put_rows
from saelake.store.lake.dictionaries import RegisteredDictionary, register_dictionary
from saelake.store.lake.feature_names import claim_names
from saelake.store.lake.lake import CollectionName, Lake
from saelake.store.reports import ImportCodesReport, ImportReport
from saelake.store.requests.commands.labels import NAMES
from saelake.store.tables.tables import Table
from saelake.workers.outside.columns import AskedColumns
from saelake.workers.outside.intended import IntendedCodes
from saelake.workers.outside.keys import Resolver
from saelake.workers.outside.known import KnownCodes
from saelake.workers.outside.matching import MatchedRuns, matched
from saelake.workers.outside.options import CodesOptions
from saelake.workers.outside.packing import SpooledDocuments, check_units
from saelake.workers.outside.rows import VectorSource
from saelake.workers.outside.taking import TakenVectors, taken
from saelake.workers.outside.writing import CodesWriting, Progress

TEXT_ROWS = 256


def import_codes(
    lake: Lake,
    name: CollectionName,
    source: VectorSource,
    *,
    options: CodesOptions | None = None,
    columns: AskedColumns | None = None,
    on_progress: Progress = lambda *_: None,
) -> ImportCodesReport:
    """Import the vectors of a source as the codes of a collection, and report what was done.

    The source is read once and checked whole before anything of it is in the lake. Then documents
    come by one commit, where rows have texts; then names of features; then codes, of up to 65,536
    documents with each commit. Killed at any time, the same import goes on: what is there already
    is compared, and left out. See `CodesOptions` for what becomes of other rows.

    `on_progress` is told how many rows were read (of None), then how many of how many documents
    have their codes. Raises `CorpusError` for a source that cannot be imported, `AlreadyExists`
    where a collection or dictionary of the name is another, `InvalidInput`, and `Conflict`.
    """
    options = options or CodesOptions()
    check_name("corpus", name.corpus)
    check_name("dictionary", name.dictionary)
    check_on_duplicate(options.on_duplicate)
    one_arena()
    lake = lake.pinned()
    intended = IntendedCodes.of(lake, name, source, options)
    with lean():
        vectors = taken(
            source,
            codec=intended.settings.codec,
            signed=intended.settings.signed,
            unit=intended.settings.unit,
            asked=columns or AskedColumns(),
            on_progress=lambda n: on_progress(n, None),
        )
        intended = intended.complete(lake, vectors.keys, source)
        work = _CodesImport(lake, name, source, options, intended, vectors)
        return work.run(on_progress)


class _CodesImport:
    """One import of codes, of a source that was read."""

    def __init__(
        self,
        lake: Lake,
        name: CollectionName,
        source: VectorSource,
        options: CodesOptions,
        intended: IntendedCodes,
        vectors: TakenVectors,
    ) -> None:
        self._lake = lake
        self._name = name
        self._source = source
        self._options = options
        self._intended = intended
        self._settings = intended.settings
        self._vectors = vectors

    def run(self, on_progress: Progress) -> ImportCodesReport:
        """Check what is left to check, and write."""
        runs = self._matched()
        self._check_unknown(runs)
        documents = self._of(runs)
        self._check_units(documents)
        known = self._known(documents)
        imported = self._import_documents()
        if imported is not None and imported.n_documents:
            runs = self._matched()
            documents = self._of(runs)
        resolver = self._named()
        is_updated = self._options.on_duplicate == "update"
        update = np.intersect1d(known.changed, documents.distinct)[: None if is_updated else 0]
        written = CodesWriting(self._lake, self._settings, documents, resolver, update).write(
            known.docs, on_progress
        )
        spool = self._vectors.spool
        ours = documents.of(written)
        return ImportCodesReport(
            collection=str(self._name),
            n_documents=len(written),
            n_units=int(spool.size[ours.runs].sum()),
            n_codes=int(spool.n_codes_of(ours.runs).sum()),
            n_known=len(known.docs) - len(known.changed),
            n_changed=len(known.changed) - len(update),
            n_updated=len(update),
            n_unknown=runs.n_unknown,
            unknown=tuple(runs.unknown),
            documents=imported,
            notes=tuple(self._notes()),
        )

    def _matched(self) -> MatchedRuns:
        once = self._settings.unit == "document"
        corpus, ids = self._name.corpus, self._vectors.ids()
        return matched(self._lake, corpus, ids, self._source.name, once=once)

    def _of(self, found: MatchedRuns) -> SpooledDocuments:
        runs, docs = found.ordered()
        return SpooledDocuments(spool=self._vectors.spool, runs=runs, docs=docs)

    def _check_unknown(self, found: MatchedRuns) -> None:
        """Raise `CorpusError` for rows of no document, unless these come too or are left out."""
        if not found.n_unknown or self._vectors.documents is not None:
            return
        if self._options.on_unknown == "skip" and found.n_unknown < len(found.doc):
            return
        said = ", ".join(map(repr, found.unknown))
        of = "None" if found.n_unknown == len(found.doc) else f"{found.n_unknown:,}"
        raise CorpusError(
            f"{of} of the {len(found.doc):,} documents of {self._source.name} "
            f"{'is' if found.n_unknown == 1 or of == 'None' else 'are'} "
            f"{'' if of == 'None' else 'not '}in the corpus {self._name.corpus} (first {said}). "
            f"Import them first (`saelake import FILE --corpus {self._name.corpus}`), give rows "
            "their texts, or leave such rows out with --on-unknown skip.",
            n_unknown=found.n_unknown,
        )

    def _check_units(self, documents: SpooledDocuments) -> None:
        if self._settings.unit == "document" or not len(documents.docs):
            return
        corpus = Documents.open(self._lake, self._name.corpus)
        lengths = _lengths(corpus.table)

        def id_of(doc: int) -> str:
            return str(corpus.take(np.array([doc], np.uint64), ["id"])["id"][0].as_py())

        for page in documents.pages():
            check_units(page, lengths, id_of)

    def _known(self, documents: SpooledDocuments) -> KnownCodes:
        """The documents that have codes already, compared. Raises `AlreadyExists`, if so asked."""
        table = Table.find(self._lake.codes(self._name))
        if table is None or not table.fragments:
            return KnownCodes.nothing()
        resolver = self._vectors.keys.resolver(self._intended.numbers(self._vectors.keys))
        known = KnownCodes.of(CodesTable(table), documents, self._settings, resolver)
        if len(known.changed) and self._options.on_duplicate == "fail":
            corpus = Documents.open(self._lake, self._name.corpus)
            first = corpus.take(known.changed[:1].astype(np.uint64), ["id"])["id"][0].as_py()
            raise AlreadyExists(
                f"{len(known.changed):,} documents have other codes in {self._name} already (first "
                f"{first!r}). Keep these with --on-duplicate skip, or replace them with "
                "--on-duplicate update.",
                id=first,
            )
        return known

    def _import_documents(self) -> ImportReport | None:
        source = self._vectors.documents
        if source is None:
            return None
        duplicate = self._options.on_duplicate
        return import_documents(self._lake, self._name.corpus, source, on_duplicate=duplicate)

    def _register(self) -> None:
        registered = RegisteredDictionary(
            name=self._settings.dictionary,
            fingerprint=self._settings.fingerprint,
            d_sae=self._settings.d_sae,
            format=IMPORTED,
            architecture=IMPORTED,
            signed=self._settings.signed,
            hook=self._settings.hook,
            model=self._settings.model,
            model_fingerprint=IMPORTED,
        )
        register_dictionary(self._lake, registered, self._source.token_names)

    def _named(self) -> Resolver:
        """What turns keys into numbers, when the lake knows the dictionary and its names for good.

        Names come first: a dictionary that is registered without any has numbers.
        """
        keys = self._vectors.keys
        if not self._intended.is_named:
            self._register()
            return keys.resolver(None)
        dictionary, width = self._settings.dictionary, self._settings.d_sae
        numbers = claim_names(self._lake, dictionary, keys.names, width=width)
        self._register()
        _label(self._lake, dictionary, numbers, self._settings)
        return keys.resolver(numbers)

    def _notes(self) -> Iterator[str]:
        if self._intended.is_new and not self._intended.is_named and not self._options.width:
            yield (
                f"{self._settings.dictionary} has {self._settings.d_sae:,} features, as many as "
                "the vectors have: rows with others cannot be added. Say --width for more."
            )
        if self._vectors.left:
            named = ", ".join(map(repr, self._vectors.left))
            yield (
                f"Not imported, as rows have no texts: {named}. `saelake annotate` takes columns "
                "of documents that are there."
            )
        if self._vectors.documents is not None:
            yield from self._vectors.documents.notes


def _lengths(documents: Table) -> Array:
    """The characters of each document's text, int64 (n_documents,)."""
    batches = documents.scan(["text"], batch_rows=TEXT_ROWS)
    lengths = (np.asarray(pc.utf8_length(batch["text"])) for batch in batches)
    return concatenate(lengths, np.int64).astype(np.int64)


def _label(
    lake: Lake, dictionary: str, numbers: Mapping[str, int], settings: CollectionSettings
) -> None:
    """Call features by their names, those that are not yet; of a signed dictionary both poles."""
    labels = LabelsTable.open(lake, dictionary, explainers=[NAMES])
    labelled = {*labels.read(["feature"])["feature"].to_pylist()}
    poles = range(0, settings.width, settings.d_sae)
    plain = dated(label_row(0, "", NAMES))
    rows = [
        {**plain, "feature": number + first, "label": name}
        for first in poles
        for name, number in numbers.items()
        if number + first not in labelled
    ]
    if rows:
        put_rows(lake, dictionary, rows)
