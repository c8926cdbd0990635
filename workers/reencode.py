"""Encode with another dictionary from kept activations: the model is not run again."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import fields, replace

import pyarrow as pa

from saelake.store.activations.table import ActivationsTable, find_store
from saelake.store.arrays.memory import one_arena
from saelake.store.codes.table import CodesTable
from saelake.store.documents.documents import Documents
from saelake.store.errors import DictionaryMismatch, InvalidInput, NotFound
from saelake.store.format.sampling import TokenSample
from saelake.store.format.schema import CollectionSettings, check_name
from saelake.store.growth.shards import ShardCommitter, ShardWriter, check_free, continued
from saelake.store.lake.dictionaries import RegisteredDictionary, register_dictionary, vocabulary_of
from saelake.store.lake.lake import CollectionName, Lake, absolute
from saelake.store.snapshot.collection import open_codes
from saelake.workers.dictionaries.base import LoadedDictionary
from saelake.workers.encoder.coder import Coder
from saelake.workers.encoder.devices import devices_of
from saelake.workers.encoder.models import DTYPES
from saelake.workers.encoder.shard import plan
from saelake.workers.encoder.stages import ahead
from saelake.workers.fleet.contexts import Notes
from saelake.workers.fleet.encoded import Counts
from saelake.workers.fleet.finished import EncodeRequest, Receipts
from saelake.workers.fleet.naming import default_name, name_elsewhere
from saelake.workers.fleet.options import DictionaryChoice, EncodeOptions
from saelake.workers.fleet.placing import elsewhere
from saelake.workers.fleet.progress import EncodeProgress, EncodeReport
from saelake.workers.fleet.targets import loaded_dictionary, store_decoder
from saelake.workers.fleet.worker import BUFFER_SHARE, BYTES_PER_PAGE_TOKEN, CHUNK_SHARE
from saelake.workers.kept.pages import StoredPage, StoredTokens
from saelake.workers.kept.ranges import complement

# What decides tokens and activations, which are as they were kept.
OF_THE_MODEL = (
    "window",
    "overlap",
    "max_tokens",
    "special_tokens",
    "prepend_bos",
    "chat",
    "batch_tokens",
    "keep_activations",
    "batch_invariant",
    "quantization",
)


def reencode(
    lake: Lake,
    corpus: str,
    *,
    source: str,
    dictionaries: Sequence[DictionaryChoice],
    options: EncodeOptions | None = None,
    on_progress: Callable[[EncodeProgress], object] = lambda _: None,
) -> EncodeReport:
    """Encode the tokens whose activations are kept of a collection, `source`, of the corpus.

    Tokens that were not sampled are there, but have no codes. One dictionary after the other is
    made a collection; run again, it continues as `encode` does. What a dictionary states of its
    context, and the activations were not made with, is in the report's `notes`.

    Raises `NotFound` where no activations are kept, `DictionaryMismatch` where a dictionary encodes
    others, and `AlreadyExists` where a collection was begun with other settings.
    """
    options = options or EncodeOptions()
    _check(corpus, source, dictionaries, options)
    one_arena()
    asked = EncodeRequest(
        lake=lake, corpus=corpus, source=source, dictionaries=dictionaries, options=options
    )
    receipts = Receipts(asked)
    on_progress(EncodeProgress(n_total=0, is_loading=True))
    codes = CodesTable(open_codes(lake, CollectionName.parse(source)))
    kept = find_store(lake, codes.settings)
    if kept is None:
        first = "encode it with --keep-activations first, or "
        first = "its codes were made elsewhere; " if codes.settings.is_imported else first
        raise NotFound(
            f"No activations are kept of {source}: {first}encode by a --model.",
            collection=source,
        )
    found: list[str] = []
    coders = [_coder(choice, codes.settings, kept, options, found) for choice in dictionaries]
    coders = [replace(c, settings=continued(lake, c.settings)) for c in coders]
    for coder in coders:
        check_free(lake, coder.settings)
    for coder, choice in zip(coders, dictionaries, strict=True):
        _register(lake, coder, choice, CollectionName.parse(source).dictionary)
    notes = Notes.of([coder.settings for coder in coders], options, found)
    notes.warn()
    n_documents = Documents.open(lake, corpus).n_documents
    runs = [_Run(lake, coder, StoredTokens(codes, kept), options) for coder in coders]
    done, n_total = Counts(), sum(run.n_missing(n_documents) for run in runs)
    on_progress(_progress(n_total, done, notes))
    for run in runs:
        for counts in run.encode(n_documents):
            done += counts
            on_progress(_progress(n_total, done, notes))
    receipts.write([coder.settings for coder in coders], found)
    return EncodeReport(
        collections=tuple(coder.settings.name for coder in coders),
        n_documents=done.n_documents,
        n_tokens=done.n_tokens,
        n_codes=done.n_codes,
        n_failed=done.n_failed,
        n_repeated=0,
        notes=tuple(notes),
    )


def _check(
    corpus: str, source: str, dictionaries: Sequence[DictionaryChoice], options: EncodeOptions
) -> None:
    if not dictionaries:
        raise InvalidInput("Name at least one dictionary.")
    if CollectionName.parse(source).corpus != corpus:
        raise InvalidInput(
            f"{source} is not of the corpus {corpus}: its activations are another's."
        )
    defaults = {field.name: field.default for field in fields(EncodeOptions)}
    given = [name for name in OF_THE_MODEL if getattr(options, name) != defaults[name]]
    if given:
        said = ", ".join(f"--{name.replace('_', '-')}" for name in given)
        raise InvalidInput(f"Kept activations are as they are: leave out {said}.")


def _coder(
    choice: DictionaryChoice,
    source: CollectionSettings,
    kept: ActivationsTable,
    options: EncodeOptions,
    notes: list[str],
) -> Coder:
    """Loads a dictionary; what is to be said of it is added to the notes."""
    dictionary = loaded_dictionary(choice)
    name = check_name("dictionary", choice.name or default_name(choice.location))
    _check_fits(dictionary, name, choice.hook, source)
    if note := elsewhere(name, dictionary.hook_name, source.hook, None):
        notes.append(note)
        name = choice.name or name_elsewhere(name, source.hook)
    if dictionary.decoder_fault:
        notes.append(f"{name}: {dictionary.decoder_fault}.")
    device = devices_of(options.device)[0]
    dtype = DTYPES.get(options.dtype or "")
    settings = replace(
        source,
        dictionary=name,
        fingerprint=dictionary.fingerprint,
        architecture=dictionary.architecture,
        d_sae=dictionary.d_sae,
        signed=dictionary.signed,
        by_pole=dictionary.signed,
        values=options.values,
        tokens_from=_said(kept),
        stated_window=dictionary.context_size or None,
        stated_bos=dictionary.prepend_bos,
        sample=_sample(kept),
        norm_factor=None if choice.norm_factor == 1 else choice.norm_factor,
        batch_invariant=False,
    )
    return Coder(
        settings=settings,
        dictionary=dictionary.to(device, dtype),
        chunk_bytes=options.memory_bytes // CHUNK_SHARE,
        on_error=options.on_error,
    )


def _said(kept: ActivationsTable) -> str:
    sample, name = kept.settings.sample, kept.settings.collection.name
    return name if sample.fraction == 1 else f"{name} at {sample}"


def _sample(kept: ActivationsTable) -> TokenSample | None:
    """The tokens that have codes; None: all."""
    sample = kept.settings.sample
    return None if sample.fraction == 1 else sample


def _check_fits(
    dictionary: LoadedDictionary, name: str, hook: str | None, source: CollectionSettings
) -> None:
    hook = hook or dictionary.hook_name
    if dictionary.d_in != source.d_in:
        raise DictionaryMismatch(
            f"The dictionary {name} encodes {dictionary.d_in} numbers a token, but the activations "
            f"of {source.name} have {source.d_in}. Choose a dictionary of {source.hook}.",
            dictionary=name,
            d_in=dictionary.d_in,
            width=source.d_in,
        )
    if hook is not None and hook != source.hook:
        raise DictionaryMismatch(
            f"The dictionary {name} is of {hook}, but the activations of {source.name} are of "
            f"{source.hook}. If it is to be run there all the same, say so with --hook "
            f"{source.hook}.",
            dictionary=name,
            hook=hook,
        )


def _register(lake: Lake, coder: Coder, choice: DictionaryChoice, source: str) -> None:
    """Tell the lake of the dictionary, which has the model and vocabulary of the source's."""
    dictionary = RegisteredDictionary.of(
        coder.settings,
        format_name=coder.dictionary.format,
        location=absolute(choice.location),
        model_location=RegisteredDictionary.open(lake, source).model_location,
    )
    register_dictionary(lake, dictionary, vocabulary_of(lake, source))
    store_decoder(lake, coder.settings, coder.dictionary)


class _Run:
    """Encodes for one collection what its source has and it lacks."""

    def __init__(
        self, lake: Lake, coder: Coder, source: StoredTokens, options: EncodeOptions
    ) -> None:
        self._coder = coder
        self._lake = lake
        self._source = source
        self._options = options
        self._committer = ShardCommitter(lake, coder.settings)

    def n_missing(self, n_documents: int) -> int:
        """How many documents there are to encode."""
        return sum(stop - start for start, stop in self._missing(n_documents))

    def encode(self, n_documents: int) -> Iterator[Counts]:
        """Encode and commit until nothing is missing; what each page had."""
        settings = self._coder.settings
        buffer_bytes = self._options.memory_bytes // BUFFER_SHARE
        writer = ShardWriter(self._lake, settings, buffer_bytes=buffer_bytes)
        while missing := self._missing(n_documents):
            for start, stop in missing:
                with closing(ahead(self._pages(start, stop), depth=1)) as pages:
                    for page in pages:
                        rows = self._rows(page)
                        writer.add(rows)
                        yield Counts.of({settings.name: rows})
                self._committer.commit([writer.finish(start, stop)])

    def _missing(self, n_documents: int) -> list[tuple[int, int]]:
        """The shards to encode: documents that the source has and the collection lacks."""
        lacking = complement(self._source.ranges(), n_documents)
        done = sorted([*self._committer.done(), *lacking])
        shards = plan(n_documents, {"": done}, self._options.shard_documents)
        return [(shard.start, shard.stop) for shard in shards]

    def _pages(self, start: int, stop: int) -> Iterator[StoredPage]:
        token_bytes = BYTES_PER_PAGE_TOKEN + 4 * self._coder.settings.d_in
        page_tokens = max(self._options.memory_bytes // token_bytes, 1)
        return self._source.pages(start, stop, page_tokens)

    def _rows(self, page: StoredPage) -> pa.RecordBatch:
        failed = dict(page.failed)
        x = page.vectors.to(self._coder.dictionary.device)
        codes = self._coder.codes(x, page.row, page.position, page.parts, failed)
        return self._coder.pack(page.parts, codes.to_numpy(), failed)


def _progress(n_total: int, counts: Counts, notes: Notes) -> EncodeProgress:
    return EncodeProgress(
        n_total=n_total,
        n_documents=counts.n_documents,
        n_tokens=counts.n_tokens,
        n_codes=counts.n_codes,
        n_failed=counts.n_failed,
        n_workers=1,
        notes=notes.told,
        warnings=notes.against,
    )
