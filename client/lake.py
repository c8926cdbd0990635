"""A lake: its collections, and, where it is in reach, what is written into it."""

import warnings
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace
from datetime import timedelta
from functools import partial
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING

from saelake.answers.contents import contents, contents_html
from saelake.answers.jobs import Job, Jobs, job_of
from saelake.answers.lookups import Info, Verification
from saelake.collection import Collection
from saelake.dictionary import Dictionary
from saelake.making.encoding import check_asked, check_encode, encode_asked, encode_finished
from saelake.making.sources import Importable, default_corpus, shown
from saelake.making.stages import Stage, Unwatched, Watcher, silent, watched
from saelake.store.errors import InvalidInput, extra
from saelake.store.format.moments import zoned
from saelake.store.lake.lake import CollectionName
from saelake.store.reports import OnDuplicate
from saelake.store.requests.commands.documents import DeleteCommand
from saelake.store.requests.commands.jobs import (
    CancelJobCommand,
    StartIndexCommand,
    WatchJobCommand,
)
from saelake.store.requests.commands.upkeep import (
    CleanupCommand,
    CompactCommand,
    TagCommand,
    UntagCommand,
)
from saelake.store.requests.info import InfoQuery
from saelake.store.requests.jobs import JobsQuery
from saelake.store.requests.tags import TagsQuery
from saelake.store.requests.verify import VerifyQuery
from saelake.texts import model_texts
from saelake.there import (
    encode_command,
    encode_there,
    import_here,
    import_labels_there,
    import_there,
    index_there,
)
from saelake.transport import AsOf, Transport
from saelake.workers.fleet.ray_cluster import RayCluster

if TYPE_CHECKING:  # a name in a signature costs nothing until it is used
    from saelake.store.codes.executor import Executor
    from saelake.store.reports import (
        CleanupReport,
        Compacted,
        CompactReport,
        DeleteReport,
        ImportReport,
        IndexReport,
        Prefetched,
        Repaired,
        ReplaceReport,
        ServerVersion,
        Tag,
    )
    from saelake.workers.fleet.options import DictionaryChoice, EncodeOptions
    from saelake.workers.fleet.progress import EncodeProgress, EncodeReport


@dataclass(frozen=True, slots=True)
class Lake:
    """A lake, in this process or behind a server. Made by `saelake.connect`.

    Use it as a context manager, or `close` it, when it is behind a server. Its collections are in
    it by name: `lake["imdb/minilm-l4"]`, `"imdb/minilm-l4" in lake`, `list(lake)`, `len(lake)`.
    """

    uri: str
    transport: Transport
    is_remote: bool
    at: str | None = None

    def __getitem__(self, collection: str) -> Collection:
        """The collection of this name: `corpus/dictionary`. Raises `InvalidInput`."""
        return Collection(str(CollectionName.parse(collection)), self.transport)

    def __iter__(self) -> Iterator[str]:
        """The names of the collections, as those of a dict."""
        return iter(self.collections())

    def __contains__(self, name: object) -> bool:
        """Whether there is a collection of this name."""
        return name in self.collections()

    def __len__(self) -> int:
        """How many collections there are."""
        return len(self.collections())

    def __bool__(self) -> bool:
        """True, without a look at what is in it."""
        return True

    def as_of(self, at: str) -> "Lake":
        """This lake as it was at a tag, a time or the `state` of an answer, to be read only.

        It shares this lake's connection, and closes it.

        >>> now = lake.as_of(lake.version().state)  # doctest: +SKIP
        """
        chosen = zoned(at)
        return replace(self, transport=AsOf(self.transport, chosen), at=at)

    def version(self) -> "ServerVersion":
        """Which program answers, here or on the server, and the state that the lake is in now."""
        return self.transport.version()

    def dictionary(self, name: str) -> Dictionary:
        """A dictionary of the lake, by name."""
        return Dictionary(name, self.transport)

    def info(self, corpora: Iterable[str] = ()) -> Info:
        """What is in the lake: a row for each collection, and for each corpus without one.

        Of these corpora, if any are given; those that there are not have no row.
        """
        return Info(self.transport.ask(InfoQuery(corpora=tuple(corpora))).read_all())

    def collections(self) -> list[str]:
        """The names of the collections."""
        return [row.name for row in self.info() if row.dictionary is not None]

    def verify(self, collection: str | None = None) -> Verification:
        """Whether the tables of the lake, or of one collection, agree; reads all data."""
        name = None if collection is None else str(CollectionName.parse(collection))
        return Verification(self.transport.ask(VerifyQuery(collection=name)).read_all())

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
        choices = _choices(dictionary)
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

    def encodes(self, corpus: str) -> list[Job]:
        """The runs of encode over a corpus that seem to be at work, as their drivers tell."""
        running = (job for job in self.jobs() if job.state == "running" and job.kind == "encode")
        return [job for job in running if job.corpus == corpus]

    def jobs(self) -> Jobs:
        """The runs of encode and index that are known, the latest first."""
        return Jobs(self.transport.ask(JobsQuery()).read_all())

    def start_encode(
        self,
        corpus: str,
        *,
        model: str | None = None,
        dictionary: "str | DictionaryChoice | Sequence[str | DictionaryChoice]",
        options: "EncodeOptions | None" = None,
        job: str | None = None,
    ) -> Job:
        """Have a server encode, as `encode` does, without waiting for it; the job.

        It goes on when this process ends. A `job` is what to call it: one that is there already is
        not begun again, so that this can be sent twice. Raises `InvalidInput` of a lake that is not
        behind a server.
        """
        choices = _choices(dictionary)
        command = encode_command(corpus, choices, model=model, options=options, job=job)
        return job_of(self.transport.tell(command))

    def start_index(self, collection: str, *, job: str | None = None) -> Job:
        """Have a server index, as `index` does, without waiting for it; see `start_encode`."""
        return job_of(self.transport.tell(StartIndexCommand(collection=collection, job=job)))

    def watch_job(self, job: str) -> Iterator[Job]:
        """How far a job is, again whenever that changes, until it has ended. Raises `NotFound`."""
        return map(job_of, self.transport.watch(WatchJobCommand(job=job)))

    def cancel_job(self, job: str) -> Job:
        """End a job that a server runs; what it has committed stays. It ends in some seconds."""
        return job_of(self.transport.tell(CancelJobCommand(job=job)))

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
        choices, watcher = _choices(dictionary), watcher or Unwatched()
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
        return [self[collection] for collection in report.collections]

    def embed(
        self,
        corpus: str,
        *,
        model: str,
        device: str | None = None,
        on_progress: Callable[[int, int], object] | None = None,
    ) -> int:
        """Make a dense embedding of each document of a corpus, with a sentence model; how many.

        They serve `method="dense"` and `"hybrid"`, and the vectors of automatic labels.
        """
        self._writable("embed")
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
        """
        self._writable("label")
        with extra("store"):
            from saelake.store.growth.label import label_collection
            from saelake.store.lake.lake import Lake as StoredLake
            from saelake.store.snapshot.session import Session
        watcher = watcher or Unwatched()
        session = Session(StoredLake(self.uri))
        corpus = session.collection(collection).name.corpus
        if model is not None:
            embedding = partial(self.embed, corpus, model=model, device=device)
            watched(watcher, Stage(name="embed", of=corpus), embedding)
        labelling = partial(label_collection, session, collection)
        if on_progress is not None:
            return labelling(on_progress=on_progress)
        return watched(watcher, Stage(name="label", of=collection), labelling)

    def import_labels(
        self,
        dictionary: str,
        file: str | PathLike[str],
        *,
        explainer: str | None = None,
        model: str | None = None,
    ) -> int:
        """Take labels from a file (JSON or Neuronpedia's explanations); how many.

        With a sentence `model` they get embeddings, so that phrases find them. See
        `store.labels.files.read_labels`.
        """
        self._changeable("import labels")
        if self.is_remote:
            if model is not None:
                raise InvalidInput("A server opens no model that it is sent: import without one.")
            return import_labels_there(self.transport, dictionary, file, explainer)
        with extra("store"):
            from saelake.store.labels.imports import import_labels
            from saelake.store.lake.lake import Lake as StoredLake
            from saelake.store.snapshot.session import Session
        session = Session(StoredLake(self.uri), texts=model_texts())
        return import_labels(session, dictionary, Path(file), explainer=explainer, model=model)

    def delete(
        self,
        corpus: str,
        *,
        where: str | None = None,
        ids: Sequence[str] = (),
        dry_run: bool = False,
        expect: int | None = None,
    ) -> "DeleteReport":
        """Delete documents of a corpus, by a predicate over its columns or by id, by one commit.

        The report says how many of how many; with `dry_run` how many it would be, and nothing is
        deleted, nor where there are not as many as you `expect`. No question finds them any more,
        in any collection; `compact` and `cleanup` then take them out of the files. See
        `store.growth.delete.delete_documents`.
        """
        self._changeable("delete documents")
        command = DeleteCommand(
            corpus=corpus, where=where, ids=tuple(ids), dry_run=dry_run, expect=expect
        )
        report: DeleteReport = self.transport.tell(command)
        return report

    def compact(
        self, target: str, *, on_progress: Callable[[int, int], object] | None = None
    ) -> "tuple[Compacted, ...]":
        """Compact a collection, or a corpus with all its collections, and index what changed.

        Small fragments become large ones, and deleted documents lose their texts and codes. See
        `store.growth.compact.compact`.
        """
        self._changeable("compact")
        if self.is_remote:
            done: CompactReport = self.transport.tell(CompactCommand(target=target))
            return done.tables
        with extra("store"):
            from saelake.store.growth.compact import compact
            from saelake.store.lake.lake import Lake as StoredLake
        return compact(StoredLake(self.uri), target, on_progress=on_progress or silent)

    def cleanup(
        self, *, older_than: timedelta = timedelta(days=7), unverified: bool = False
    ) -> "CleanupReport":
        """Delete the files of states that are older than this and have no tag.

        With `unverified` also young files that no state has: then nobody may be writing into the
        lake. See `store.growth.clean_up.clean_up`.
        """
        self._changeable("clean up")
        if self.is_remote:
            if unverified:
                raise InvalidInput("A server may be writing: it cannot clean up unverified files.")
            command = CleanupCommand(older_than_s=older_than.total_seconds())
            report: CleanupReport = self.transport.tell(command)
            return report
        with extra("store"):
            from saelake.store.growth.clean_up import clean_up
            from saelake.store.lake.lake import Lake as StoredLake
        return clean_up(StoredLake(self.uri), older_than=older_than, unverified=unverified)

    def replace(self, old: str, new: str) -> "ReplaceReport":
        """Let the dictionary name `old` mean what `new` does, in every corpus, by one commit.

        See `store.growth.replace.replace_dictionary`.
        """
        self._writable("replace a dictionary")
        with extra("store"):
            from saelake.store.growth.replace import replace_dictionary
            from saelake.store.lake.lake import Lake as StoredLake
        return replace_dictionary(StoredLake(self.uri), old, new)

    def drop(self, target: str) -> tuple[str, ...]:
        """Delete a collection, or a corpus with all of its, with all earlier states; their names.

        See `store.growth.drop.drop_target`.
        """
        self._writable("drop")
        with extra("store"):
            from saelake.store.growth.drop import drop_target
            from saelake.store.lake.lake import Lake as StoredLake
        return drop_target(StoredLake(self.uri), target)

    def tag(self, name: str) -> "Tag":
        """Name the state that the lake is in, so that `connect(…, at=name)` opens it again."""
        self._changeable("tag")
        made: Tag = self.transport.tell(TagCommand(name=name))
        return made

    def tags(self) -> "list[Tag]":
        """The tags of the lake, the oldest first."""
        from saelake.store.reports import Tag

        rows = self.transport.ask(TagsQuery()).read_all().to_pylist()
        return [Tag(**row) for row in rows]

    def untag(self, name: str) -> None:
        """Forget a tag; `cleanup` may then delete what only it kept."""
        self._changeable("delete a tag")
        self.transport.tell(UntagCommand(name=name))

    def repair(self, collection: str | None = None) -> "list[Repaired]":
        """Repair a collection, or all: what was done to which. Reads all data.

        Damaged codes and kept activations are taken out, to be encoded again; postings and
        statistics that do not agree with the codes are made again. See
        `store.health.repair.repair`.
        """
        self._writable("repair")
        with extra("store"):
            from saelake.store.health.repair import repair
            from saelake.store.lake.lake import Lake as StoredLake
        return repair(
            StoredLake(self.uri), None if collection is None else CollectionName.parse(collection)
        )

    def prefetch(
        self, collection: str, *, on_bytes: Callable[[int, int], object] | None = None
    ) -> "Prefetched":
        """Fetch a collection's files into the disk cache, those first that most questions read.

        What there is no room for is left out, and read where it is. Raises `InvalidInput` where
        `connect` was given no disk cache, or the lake is not in an object store.
        """
        with extra("store"):
            from saelake.store.engine import Engine
        if not isinstance(self.transport, Engine):
            raise InvalidInput(
                "A server has a disk cache of its own: give `saelake serve` a --disk-cache.",
                lake=self.uri,
            )
        name = str(CollectionName.parse(collection))
        return self.transport.prefetch(name, on_bytes=on_bytes or silent)

    def close(self) -> None:
        """Let go of connections."""
        self.transport.close()

    def __enter__(self) -> "Lake":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __repr__(self) -> str:
        """The lake, and what is in it; a lake that cannot be read says why."""
        return contents(f"<Lake {self.uri}>", self.info)

    def _repr_html_(self) -> str:
        return contents_html(f"<Lake {self.uri}>", self.info)

    def _writable(self, what: str) -> None:
        """Raise `InvalidInput` unless the lake is here, and as it is now."""
        if self.is_remote:
            raise InvalidInput(
                f"Cannot {what} through a server. Run this where the lake is, with "
                "saelake.connect(PATH) or --lake PATH.",
                lake=self.uri,
            )
        self._changeable(what)

    def _changeable(self, what: str) -> None:
        """Raise `InvalidInput` of a lake that is opened as it was."""
        if self.at is not None:
            raise InvalidInput(
                f"Cannot {what}: {self.uri} is opened as it was at {self.at!r}, which can only be "
                "read. Connect without `at` to change the lake as it is.",
                lake=self.uri,
                at=self.at,
            )


def _choices(
    dictionary: "str | DictionaryChoice | Sequence[str | DictionaryChoice]",
) -> "list[DictionaryChoice]":
    """The dictionaries, of which one may stand alone or be a location alone."""
    from saelake.workers.fleet.options import DictionaryChoice

    several = [dictionary] if isinstance(dictionary, str | DictionaryChoice) else dictionary
    return [DictionaryChoice(location=d) if isinstance(d, str) else d for d in several]


def _executor(cluster: RayCluster | None) -> "AbstractContextManager[Executor | None]":
    """Where the parts of an index run: None is this process."""
    if cluster is None:
        return nullcontext()
    with extra("ray", "Indexing on a Ray cluster"):
        from saelake.workers.ray.executor import RayExecutor
    return RayExecutor(cluster)
