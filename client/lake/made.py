"""What comes into a lake: documents, their codes, indexes and labels."""

import warnings
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from functools import partial
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING

from saelake.collection import Collection
from saelake.lake.placed import PlacedLake
from saelake.lake.there import (
    check_sayable,
    embed_there,
    encode_command,
    encode_there,
    import_here,
    import_labels_there,
    import_there,
    index_there,
    label_there,
    project_there,
)
from saelake.making.encoding import (
    check_asked,
    check_encode,
    choices_of,
    encode_asked,
    encode_finished,
)
from saelake.making.sources import Importable, Vectors, default_corpus, shown
from saelake.making.stages import Stage, Unwatched, Watcher, silent, watched
from saelake.store.errors import InvalidInput, extra
from saelake.store.labels.files import read_labels
from saelake.store.lake.lake import CollectionName
from saelake.store.reports import OnDuplicate
from saelake.store.requests.commands.jobs import StartProjectCommand
from saelake.texts import model_texts
from saelake.workers.fleet.ray_cluster import RayCluster

if TYPE_CHECKING:  # a name in a signature costs nothing until it is used
    from saelake.store.codes.executor import Executor
    from saelake.store.format.schema import Unit
    from saelake.store.reports import (
        ImportCodesReport,
        ImportReport,
        IndexReport,
        MapReport,
    )
    from saelake.store.requests.map import MapOf
    from saelake.workers.fleet.options import DictionaryChoice, EncodeOptions
    from saelake.workers.fleet.progress import EncodeProgress, EncodeReport
    from saelake.workers.outside.options import KeyKind, OnUnknown


class LakeMaking(PlacedLake):
    """How a lake is made."""

    __slots__ = ()

    def import_corpus(
        self,
        data: Importable,
        corpus: str | None = None,
        *,
        text_column: str = "text",
        id_column: str | None = None,
        format: str | None = None,  # noqa: A002  # what the command line calls it too
        split: str | None = None,
        delimiter: str | None = None,
        encoding: str | None = None,
        rows_name: str | None = None,
        name: str | None = None,
        on_duplicate: OnDuplicate = "skip",
        key: str | None = None,
        on_progress: Callable[[int], object] | None = None,
    ) -> "ImportReport":
        """Append documents to a corpus, by one commit: of files, folders, data sets, or in Python.

        `data` is a location or several, also with `*`; a DataFrame of pandas or polars, an Arrow
        table or reader; or rows as mappings, also from a generator, of which no more than a
        thousand are in memory. See `workers.corpus.open_source` for locations and the arguments.
        The corpus is called as the file, unless it is named.

        Rows that cannot be documents are recorded and counted. Of rows whose id the corpus has
        with another text or other metadata, `on_duplicate="skip"` keeps what is there, `"update"`
        replaces it, and `"fail"` refuses to import; see `store.documents.imports`. Rows of `data`
        in Python that have no ids are called by `rows_name` and their number from 0, so that
        importing them again adds nothing; it is the corpus's unless it is given (`name` is what
        it was called before). Of one `key` rows are imported once: again, the report is that of the
        first time, and other rows are refused. A server is sent the documents, whatever they were
        read from. Raises `CorpusError`, and `AlreadyExists` for such a key.
        """
        self._changeable("import")
        if name is not None:
            warnings.warn("name is called rows_name now.", DeprecationWarning, stacklevel=2)
        called = default_corpus(data) if corpus is None else corpus
        with extra("workers"):
            from saelake.workers.corpus import open_source
        source = open_source(
            data,
            text_column=text_column,
            id_column=id_column,
            format=format,
            split=split,
            delimiter=delimiter,
            encoding=encoding,
            name=rows_name or name or called,
        )
        take = import_there if self.is_remote else import_here
        report = take(
            self.transport,
            called,
            source,
            on_duplicate=on_duplicate,
            key=key,
            on_progress=on_progress or silent,
        )
        return replace(report, notes=(*source.notes, *report.notes))

    def import_codes(
        self,
        data: Vectors,
        collection: str,
        *,
        unit: "Unit | None" = None,
        width: int | None = None,
        signed: bool | None = None,
        values: str | None = None,
        keys: "KeyKind | None" = None,
        ids: Sequence[str] | str | PathLike[str] | None = None,
        by_number: bool = False,
        id_column: str | None = None,
        text_column: str | None = None,
        vector_column: str | None = None,
        tokenizer: str | None = None,
        on_duplicate: OnDuplicate = "skip",
        on_unknown: "OnUnknown" = "fail",
        made_by: str | None = None,
        on_progress: Callable[[int, int | None], object] | None = None,
    ) -> "ImportCodesReport":
        """Import sparse vectors that another system made, as the codes of a collection.

        `data` is a location or several: JSON lines, Parquet, SciPy's CSR (.npz), or a folder of
        delphi's cache; or in Python rows as mappings, a table, or a SciPy matrix. See
        `workers.outside.opening.open_vectors` for their forms, and for `ids`, `by_number`,
        `tokenizer` and the columns; `workers.outside.options.CodesOptions` for the others. Rows
        that have texts bring their documents; others are of documents that the corpus has.

        Run again, it continues where it stopped, and adds what is new. Nothing is in the lake of a
        source that is not right. No model or dictionary is needed: what needs one is refused.
        Raises `CorpusError`, `AlreadyExists` and `InvalidInput`, also through a server.
        """
        self._writable_here("import codes")
        with extra("store", "Importing codes"):
            from saelake.store.lake.lake import Lake as StoredLake
            from saelake.workers.outside.columns import AskedColumns
            from saelake.workers.outside.importing import import_codes
            from saelake.workers.outside.opening import AskedVectors, open_vectors
            from saelake.workers.outside.options import CodesOptions
        name, lake = CollectionName.parse(collection), StoredLake(self.uri)
        options = CodesOptions(
            unit=unit,
            width=width,
            signed=signed,
            values=values,
            keys=keys,
            on_duplicate=on_duplicate,
            on_unknown=on_unknown,
            made_by=made_by,
        )
        columns = AskedColumns(id=id_column, text=text_column, vector=vector_column)
        asked = AskedVectors(columns=columns, ids=ids, by_number=by_number, tokenizer=tokenizer)
        source = open_vectors(lake, name.corpus, data, asked)
        return import_codes(
            lake,
            name,
            source,
            options=options,
            columns=columns,
            on_progress=on_progress or silent,
        )

    def encode(
        self,
        corpus: str,
        *,
        model: str | None = None,
        dictionary: "str | DictionaryChoice | Sequence[str | DictionaryChoice]",
        from_activations: str | None = None,
        options: "EncodeOptions | None" = None,
        cluster: RayCluster | None = None,
        on_progress: "Callable[[EncodeProgress], object] | None" = None,
    ) -> "EncodeReport":
        """Encode what is not encoded yet of a corpus; several dictionaries share one model run.

        With a `cluster` workers on it encode, and this process commits what they write. Run again
        it continues; where nothing is left to do, no model is loaded. See `workers.run.encode` for
        the errors.

        In place of a `model`, `from_activations` names a collection of the corpus whose
        activations are kept: its tokens that were sampled are encoded, and no model is loaded.
        See `workers.reencode.reencode`.

        A server that allows it encodes in a process of its own, by dictionaries that the lake knows
        by name (or hub addresses, if it fetches such); without a `model` by the one that they were
        used with. Interrupted, this stops waiting, and the job goes on: see `start_encode`.
        """
        self._changeable("encode")
        choices = choices_of(dictionary)
        if self.is_remote:
            if cluster is not None or from_activations is not None:
                raise InvalidInput("A server encodes with a model, in a process of its own.")
            command = encode_command(corpus, choices, model=model, options=options)
            return encode_there(self.transport, command, on_progress or silent)
        if (model is None) == (from_activations is None) or (from_activations and cluster):
            raise InvalidInput(
                "Encode with a --model, or --from-activations that are kept, in this process."
            )
        asked = encode_asked(
            self.uri, corpus, choices, options, model=model, source=from_activations
        )
        if (report := encode_finished(asked, on_progress or silent)) is not None:
            return report
        check_asked(asked, cluster)
        with extra("workers", "Encoding"):
            from saelake.store.lake.lake import Lake as StoredLake
            from saelake.workers.reencode import reencode
            from saelake.workers.run import encode
        if from_activations is not None:
            return reencode(
                StoredLake(self.uri),
                corpus,
                source=from_activations,
                dictionaries=choices,
                options=options,
                on_progress=on_progress or silent,
            )
        return encode(
            StoredLake(self.uri),
            corpus,
            model=str(model),
            dictionaries=choices,
            options=options,
            cluster=cluster,
            on_progress=on_progress or silent,
        )

    def index(
        self,
        collection: str,
        *,
        memory_bytes: int | None = None,
        cluster: RayCluster | None = None,
        on_progress: Callable[[int, int], object] | None = None,
    ) -> "IndexReport":
        """Index what is not indexed yet of a collection, within about `memory_bytes`.

        With a `cluster` workers on its CPUs do so, each within that memory, and this process
        commits what they write. A server that allows it indexes in a process of its own.
        """
        self._changeable("index")
        if self.is_remote:
            if cluster is not None or memory_bytes is not None:
                raise InvalidInput("A server indexes in a process of its own, with its own memory.")
            return index_there(self.transport, collection, on_progress or silent)
        with extra("store"):
            from saelake.store.growth.index import DEFAULT_MEMORY_BYTES, index
            from saelake.store.lake.lake import Lake as StoredLake
        with _executor(cluster) as executor:
            return index(
                StoredLake(self.uri).from_anywhere,
                CollectionName.parse(collection),
                memory_bytes=memory_bytes or DEFAULT_MEMORY_BYTES,
                executor=executor,
                on_progress=on_progress or silent,
            )

    def ingest(
        self,
        data: Importable,
        corpus: str | None = None,
        *,
        model: str | None = None,
        dictionary: "str | DictionaryChoice | Sequence[str | DictionaryChoice]",
        text_column: str = "text",
        id_column: str | None = None,
        format: str | None = None,  # noqa: A002  # what the command line calls it too
        split: str | None = None,
        delimiter: str | None = None,
        encoding: str | None = None,
        rows_name: str | None = None,
        name: None = None,
        on_duplicate: OnDuplicate = "skip",
        options: "EncodeOptions | None" = None,
        cluster: RayCluster | None = None,
        watcher: Watcher | None = None,
    ) -> list[Collection]:
        """Import, encode and index in one step; the collections, one for each dictionary.

        Run again, it continues where it stopped. See `import_corpus` and `encode` for the arguments
        and errors: what can be told without running the model (that it and the dictionaries are
        there, hook points, names, settings that contradict a collection's) is raised before
        anything is imported; not by a server, which does all three as it would do each. The
        `watcher` is told how far each stage is. A `name` is refused:
        `DictionaryChoice` has the dictionary's, and `rows_name` is of rows without ids.
        """
        self._changeable("ingest")
        if name is not None:
            raise InvalidInput(
                f"name={name!r} may be meant for the dictionary or for the rows. Call a dictionary "
                f"dictionary=saelake.DictionaryChoice(location=…, name={name!r}), and rows in "
                f"Python without ids rows_name={name!r}.",
                name=name,
            )
        called = default_corpus(data) if corpus is None else corpus
        choices, watcher = choices_of(dictionary), watcher or Unwatched()
        with extra("workers"):
            from saelake.workers.corpus import check_locations
        check_locations(data)
        if not self.is_remote:
            if model is None:
                raise InvalidInput("Say with which model to encode: --model.")
            check_encode(encode_asked(self.uri, called, choices, options, model=model), cluster)
        importing = partial(
            self.import_corpus,
            data,
            called,
            text_column=text_column,
            id_column=id_column,
            format=format,
            split=split,
            delimiter=delimiter,
            encoding=encoding,
            rows_name=rows_name,
            on_duplicate=on_duplicate,
        )
        watched(watcher, Stage(name="import", of=shown(data)), importing)
        encodes = partial(
            self.encode, called, model=model, dictionary=choices, options=options, cluster=cluster
        )
        report = watched(watcher, Stage(name="encode", of=called), encodes)
        for collection in report.collections:
            indexing = partial(self.index, collection, cluster=cluster)
            watched(watcher, Stage(name="index", of=collection), indexing)
        return [Collection(name, self.transport) for name in report.collections]

    def embed(
        self,
        corpus: str,
        *,
        model: str | None = None,
        device: str | None = None,
        on_progress: Callable[[int, int], object] | None = None,
    ) -> int:
        """Make a dense embedding of each document of a corpus, with a sentence model; how many.

        They serve `method="dense"` and `"hybrid"`, and the vectors of automatic labels. Those that
        there were stay until all are made.

        A server that allows it embeds in a process of its own, by the model that the corpus was
        embedded with, or one of its own; it opens no other `model`, but a hub id if it fetches
        such. Interrupted, this stops waiting, and the job goes on: see `start_embed`.
        """
        self._changeable("embed")
        if self.is_remote:
            check_sayable(device=device)
            return embed_there(self.transport, corpus, model, on_progress or silent)
        if model is None:
            raise InvalidInput("Say with which sentence model to embed: --model.")
        with extra("workers", "Embedding"):
            from saelake.store.lake.lake import Lake as StoredLake
            from saelake.workers.texts.embed import embed_corpus
        return embed_corpus(
            StoredLake(self.uri),
            corpus,
            model=model,
            device=device,
            on_progress=on_progress or silent,
        )

    def label(
        self,
        collection: str,
        *,
        model: str | None = None,
        device: str | None = None,
        on_progress: Callable[[int, int], object] | None = None,
        watcher: Watcher | None = None,
    ) -> int:
        """Label each feature by its top tokens and their contrast words; how many.

        With a sentence `model` the corpus is embedded first (`embed`); where it is, phrases find
        features by these labels' vectors. Labels of other explainers stay, and are preferred.
        The `watcher` is told of both stages; in its place `on_progress` of the labels alone.

        A server does both as it would do each: see `embed` for its models, and `start_label`.
        """
        self._changeable("label")
        watcher = watcher or Unwatched()
        labelling = self._labelling(collection)
        if self.is_remote:
            check_sayable(device=device)
        if model is not None:
            corpus = CollectionName.parse(collection).corpus
            embedding = partial(self.embed, corpus, model=model, device=device)
            watched(watcher, Stage(name="embed", of=corpus), embedding)
        if on_progress is not None:
            return labelling(on_progress=on_progress)
        return watched(watcher, Stage(name="label", of=collection), labelling)

    def _labelling(self, collection: str) -> Callable[..., int]:
        """What labels a collection, here or there. Raises `NotFound` of one that is not here."""
        if self.is_remote:
            return partial(label_there, self.transport, collection)
        with extra("store"):
            from saelake.store.growth.label import label_collection
            from saelake.store.lake.lake import Lake as StoredLake
            from saelake.store.snapshot.session import Session
        session = Session(StoredLake(self.uri))
        session.collection(collection)
        return partial(label_collection, session, collection)

    def project(
        self,
        collection: str,
        of: "MapOf" = "documents",
        *,
        seed: int = 0,
        on_progress: Callable[[int, int], object] | None = None,
    ) -> "MapReport":
        """Make the map of a collection's documents or features, and store it; what is on it.

        It takes the place of the one that there was, once it is whole. Equal for equal seeds and
        codes. See `store.growth.maps` for how, and `Collection.map` for its points. A server that
        allows it does so in a process of its own: see `start_project`.
        """
        self._changeable("project")
        if self.is_remote:
            command = StartProjectCommand(collection=collection, of=of, seed=seed)
            return project_there(self.transport, command, on_progress or silent)
        with extra("store"):
            from saelake.store.lake.lake import Lake as StoredLake
            from saelake.store.snapshot.session import Session
        with extra("maps", "A map"):
            from saelake.store.growth.maps import make_map
        session = Session(StoredLake(self.uri))
        return make_map(session, collection, of, seed=seed, on_progress=on_progress or silent)

    def import_labels(
        self,
        dictionary: str,
        file: str | PathLike[str],
        *,
        explainer: str | None = None,
        source: str | None = None,
        model: str | None = None,
        keep_others: bool = False,
    ) -> int:
        """Take labels from a file (JSON, Neuronpedia's explanations, delphi's folder); how many.

        They replace all that the same explainers said; with `keep_others` only of the same
        features. `source` is which module (delphi) or layer (Neuronpedia), where a file has
        several. With a sentence `model` they get embeddings, so that phrases find them. See
        `store.labels.files.read_labels`.
        """
        self._changeable("import labels")
        if self.is_remote:
            if model is not None:
                raise InvalidInput("A server opens no model that it is sent: import without one.")
            rows = read_labels(Path(file), explainer, source)
            return import_labels_there(self.transport, dictionary, rows, keep_others=keep_others)
        with extra("store"):
            from saelake.store.labels.imports import import_labels
            from saelake.store.lake.lake import Lake as StoredLake
            from saelake.store.snapshot.session import Session
        session = Session(StoredLake(self.uri), texts=model_texts())
        return import_labels(
            session,
            dictionary,
            Path(file),
            explainer=explainer,
            source=source,
            model=model,
            keep_others=keep_others,
        )


def _executor(cluster: RayCluster | None) -> "AbstractContextManager[Executor | None]":
    """Where the parts of an index run: None is this process."""
    if cluster is None:
        return nullcontext()
    with extra("ray", "Indexing on a Ray cluster"):
        from saelake.workers.ray.executor import RayExecutor
    return RayExecutor(cluster)
