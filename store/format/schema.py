"""The columns of every table, and the settings that a collection is made with."""

import json
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any, Literal, Self

import pyarrow as pa

from saelake.store.errors import InvalidInput
from saelake.store.format.poles import Poles
from saelake.store.format.provenance import MADE, SCORE
from saelake.store.format.sampling import TokenSample
from saelake.store.format.values import ValueCodec, value_codec

FORMAT_VERSION = "1"
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
LONGEST_NAME = 100  # two of them and a suffix name a folder: file systems allow 255 bytes
MAX_PART_TOKENS = 65_535  # positions and counts are uint16; a longer document has numbered parts
TIERS = (256, 16_384)  # postings in the strongest tiers of a feature; the last tier has the rest
N_TIERS = len(TIERS) + 1
BANDS = (
    65_536,
    262_144,
    1_048_576,
)  # postings up to the end of a band of the last tier
STRONGEST = ("doc_gaps", "max", "positions", "token_ids", "token_starts", "token_lengths")

FEATURE_GAPS, BELOW = "feature_gaps", "below"  # columns of rows of codes that are terse
MEANING_KEY = "saelake:meaning"  # in the metadata of a column, for those who read tables themselves
_MEANINGS = {
    FEATURE_GAPS: "features that fire, ascending: each less the one before it in the row",
    "max": "the largest value code of each feature",
    "counts": "at how many tokens each feature fires",
    "positions": "of each feature the first token of its maximum, then its other tokens, ascending",
    BELOW: "of each feature's other tokens, how far below its maximum their value codes are",
}

Unit = Literal["token", "span", "document"]  # what one position of a row of codes is
IMPORTED = "imported"  # the architecture of a dictionary whose codes another system made
NO_TOKEN = 0xFFFFFFFF  # the id of a unit that is no token of a vocabulary

DELETED = "deleted"  # the error of a row of codes whose document is

REPLACES = "_replaces"  # which earlier document a document replaces; corpora that had none lack it
RESERVED_COLUMNS = ("doc", "id", "text", REPLACES)
LANCE_COLUMNS = (
    "_rowid",
    "_rowaddr",
    "_rowoffset",
    "_row_created_at_version",
    "_row_last_updated_at_version",
)
NOT_IN_COLUMNS = ".`\0"  # Lance reads a name with them as another
RESERVED_NAMES = ("dictionaries",)  # of corpora: tables of the lake itself


def is_name(name: str) -> bool:
    """Whether a corpus or dictionary may be called so: what is no name is no way out of a lake."""
    return len(name) <= LONGEST_NAME and NAME.fullmatch(name) is not None and "--" not in name


def check_name(kind: str, name: str) -> str:
    """The name, if a corpus or dictionary may be called so. Raises `InvalidInput`."""
    if len(name) > LONGEST_NAME:
        raise InvalidInput(
            f"{name!r} is too long to name a {kind}: it may have {LONGEST_NAME} characters.",
            name=name,
        )
    if kind == "corpus" and name in RESERVED_NAMES:
        raise InvalidInput(f"A corpus cannot be called {name!r}: the lake has a table of it.")
    if not is_name(name):
        raise InvalidInput(
            f"{name!r} cannot be the name of a {kind}: use letters, digits, '.', '_' and single "
            "'-', and begin with a letter or digit.",
            name=name,
        )
    return name


@dataclass(frozen=True, slots=True, kw_only=True)
class CollectionSettings:
    """Everything that decides a collection's codes; fixed when it is first encoded.

    `window` and `overlap` are in tokens, special tokens included in `window`; `max_tokens` keeps
    the first tokens of each document (None: all). `values` names the value codec.
    `tokenizer_fingerprint` is None in collections from before it was kept. `tokens_from` says of
    which kept activations, and of how many of the tokens, the codes were made (None: the model
    was run over all). `stated_window` and `stated_bos` are what the dictionary's own files say of
    `window` and `prepend_bos` (None: nothing): where these differ, the user chose so.
    `sample` are the tokens that have codes (None: all, or those of an earlier saelake's
    `tokens_from`: see `store.codes.held`).
    `norm_factor` is what activations are multiplied with where the dictionary's files do not say
    it. With `batch_invariant` each window is run alone. `quantization` says in which fewer bits the
    model's weights were loaded (None: as its files have them).
    `by_pole` is whether rows of codes number the poles of a signed dictionary, with strengths; in
    collections from before they number features, with signed values.
    `unit` is what has codes: each position counts so many tokens, spans, or the document itself.
    """

    corpus: str
    dictionary: str
    fingerprint: str
    architecture: str
    d_in: int
    d_sae: int
    signed: bool
    model: str
    model_fingerprint: str
    hook: str
    window: int
    overlap: int = 0
    max_tokens: int | None = None
    special_tokens: bool = False
    prepend_bos: bool | None = None
    chat: bool = False
    values: str = "16-bit"
    tokenizer_fingerprint: str | None = None
    tokens_from: str | None = None
    stated_window: int | None = None
    stated_bos: bool | None = None
    sample: TokenSample | None = None
    norm_factor: float | None = None
    batch_invariant: bool = False
    by_pole: bool = False
    quantization: str | None = None
    unit: Unit = "token"

    @property
    def is_imported(self) -> bool:
        """Whether another system made the codes: no model here makes more of them."""
        return self.architecture == IMPORTED

    @property
    def name(self) -> str:
        """`corpus/dictionary`."""
        return f"{self.corpus}/{self.dictionary}"

    @property
    def codec(self) -> ValueCodec:
        """The codec of the collection's values."""
        return value_codec(self.values, signed=self.signed and not self.by_pole)

    @property
    def poles(self) -> Poles:
        """What is counted of the dictionary's features."""
        return Poles(self.d_sae, self.signed)

    @property
    def width(self) -> int:
        """How many poles there are: the length of everything that is counted by feature."""
        return self.poles.width

    def to_json(self) -> str:
        """The settings as one JSON object."""
        return json.dumps(asdict(self), sort_keys=True)

    @classmethod
    def from_json(cls, text: str) -> Self:
        """The settings that `to_json` wrote."""
        known = {field.name for field in fields(cls)}
        said = {k: v for k, v in json.loads(text).items() if k in known}
        if said.get("sample") is not None:
            said["sample"] = TokenSample(**said["sample"])
        return cls(**said)

    def differences(self, other: "CollectionSettings") -> Mapping[str, tuple[Any, Any]]:
        """The settings in which two collections differ, with both values.

        Not the names of the model and the dictionary, which are loaded from other places and can
        be replaced: their fingerprints. Nor the tokenizer and the sample where one of them does
        not know it (`tokens_from` tells of a sample, too), nor what a dictionary's files state
        beside what was done.
        """
        mine, theirs = asdict(self), asdict(other)
        ignored = {"model", "dictionary", "stated_window", "stated_bos"}
        if None in (self.tokenizer_fingerprint, other.tokenizer_fingerprint):
            ignored.add("tokenizer_fingerprint")
        if None in (self.sample, other.sample):
            ignored.add("sample")
        differing = [k for k in mine if mine[k] != theirs[k] and k not in ignored]
        return {k: (mine[k], theirs[k]) for k in differing}


def _list(name: str, item: pa.DataType, compression: str | None = None) -> pa.Field:
    said = None if compression is None else {"lance-encoding:compression": compression}
    return pa.field(name, pa.list_(pa.field("item", item, nullable=False, metadata=said)))


def settings_metadata(settings: CollectionSettings) -> dict[str, str]:
    """What the metadata of a collection's tables says."""
    return {"saelake:format": FORMAT_VERSION, "saelake:collection": settings.to_json()}


def codes_schema(settings: CollectionSettings) -> pa.Schema:
    """One row per document (or numbered part of a very long one), feature-sorted inside.

    So rows are packed and read; tables that are new store them as `terse_schema` says. `positions`
    and `values` hold every occurrence, grouped by feature in the order of `features`, positions
    ascending; `max` is the largest of each feature's `values`, `counts` how
    many there are. The features of a signed dictionary are poles (see `format.poles`), but in a
    collection from before, `by_pole` False, whose values have signs: they are told apart as they
    are read (see `codes.poles`). `token_starts` and `token_lengths` are characters of the
    document's text. `error` says why a document has no codes. `checksum` is of the row's lists
    (see `checksums`); tables that an earlier saelake made do not have it. What a question about all
    documents reads, features and maxima, is not compressed (docs/decisions/027-positions.md).
    """
    value = settings.codec.arrow_type
    features = [
        _list("features", pa.uint32()),
        _list("max", value),
        _list("counts", pa.uint16(), "zstd"),
        _list("positions", pa.uint16()),
        _list("values", value, "zstd"),
    ]
    return _rows_of_codes(settings, features)


def terse_schema(settings: CollectionSettings) -> pa.Schema:
    """The rows of `codes_schema` as tables that are new have them: nothing is there twice.

    Features are `feature_gaps`, uint16 where none can be larger; of a feature's values the maximum
    is in `max` alone, and `below` has the others (see `codes.terse`, and
    docs/decisions/033-bytes.md). Each column says in its metadata what it means. `checksum` is of
    the lists of `codes_schema`. Values with signs, of a collection from before poles, are stored as
    they are read.
    """
    if settings.codec.signed:
        return codes_schema(settings)
    value = settings.codec.arrow_type
    features = [
        _list(FEATURE_GAPS, pa.uint16() if settings.width <= 1 << 16 else pa.uint32()),
        _list("max", value),
        _list("counts", pa.uint16(), "zstd"),
        _list("positions", pa.uint16()),
        _list(BELOW, value),
    ]
    said = [field.with_metadata({MEANING_KEY: _MEANINGS[field.name]}) for field in features]
    return _rows_of_codes(settings, said)


def _rows_of_codes(settings: CollectionSettings, features: list[pa.Field]) -> pa.Schema:
    columns = [
        pa.field("doc", pa.uint64()),
        pa.field("part", pa.uint16()),
        pa.field("error", pa.string()),
        _list("token_ids", pa.uint32()),
        _list("token_starts", pa.uint32()),
        _list("token_lengths", pa.uint16()),
        *features,
        pa.field("checksum", pa.uint32()),
    ]
    return pa.schema(columns, metadata=settings_metadata(settings))


def postings_schema(settings: CollectionSettings) -> pa.Schema:
    """One row per (segment, feature, tier); a segment is one fragment. Features are poles.

    Row `feature * N_TIERS + tier` of a segment holds, for each document of that tier in
    ascending order: the gap to the document before, the feature's largest value there, the
    position of the token that has it, and its characters. The first tier, of the strongest
    documents, is in one list, `strongest`, to be one read: the lists `STRONGEST` end to end. All
    else is in `packed`, as bytes (see `index.tiers`): later tiers, and of every tier the tokens
    besides those of the maxima. `size` is how many postings a tier has. `covers`, in a segment's
    first row, names the codes fragments that the segment indexes. After all tiers follows a row of
    nulls. Segments of an earlier saelake do not have that row, `packed` and `size`, but the lists
    of later tiers in columns of their own, in tables that have them.
    """
    bare = {"lance-encoding:compression": "none", "lance-encoding:structural-encoding": "fullzip"}
    return pa.schema(
        [
            pa.field("feature", pa.uint32()),
            pa.field("tier", pa.uint8()),
            _list("doc_gaps", pa.uint32()),
            _list("max", settings.codec.arrow_type),
            _list("positions", pa.uint32()),
            _list("token_starts", pa.uint32()),
            _list("token_lengths", pa.uint16()),
            _list("strongest", pa.uint32()),
            _list("covers", pa.uint32()),
            pa.field("size", pa.uint32()),
            pa.field("packed", pa.large_binary(), metadata=bare),
        ],
        metadata=settings_metadata(settings),
    )


# A large value in a file of its own, as Lance describes one (see `tables.blobs`).
_BLOB = pa.struct(
    [
        pa.field("data", pa.large_binary()),
        pa.field("uri", pa.utf8()),
        pa.field("position", pa.uint64()),
        pa.field("size", pa.uint64()),
    ]
)
_AS_BLOB = {
    "ARROW:extension:name": "lance.blob.v2",
    "ARROW:extension:metadata": "",
    "lance-encoding:blob-inline-size-threshold": "0",
    "lance-encoding:blob-dedicated-size-threshold": "1",
}


def impacts_schema(settings: CollectionSettings) -> pa.Schema:
    """One row, in a fragment of its own, per block of documents.

    It says which codes fragments the block `covers`; its `docs`, and of each how `typical` it is,
    one over its length (`scales`), and the bytes of its row (`sizes`); what is known of the
    `features` (poles) that fire in it (see `index.levels`); and of `asked` questions that were
    searched with each of some `budgets` of columns the share `recalls` of the nearest found (see
    `index.nearest`). `levels` are those of the features whose `steps` are above 0, and `rows` the
    documents' embeddings (see `index.packed`).

    A row without `docs` is of a measurement of all the blocks that cover `covers`, together: with
    each of the `budgets`, and one in so many documents compared exactly (`sizes`), the shares that
    two halves of the `asked` find, end to end in `recalls` (see `index.overall`).
    """
    return pa.schema(
        [
            _list("covers", pa.uint32()),
            _list("docs", pa.uint64()),
            _list("typical", pa.float32()),
            _list("scales", pa.float32()),
            _list("sizes", pa.uint32()),
            _list("features", pa.uint32()),
            _list("counts", pa.uint32()),
            _list("means", pa.float32()),
            _list("slopes", pa.float32()),
            _list("variances", pa.float32()),
            _list("steps", pa.float32()),
            _list("in_column", pa.uint8()),
            _list("budgets", pa.float32()),
            _list("recalls", pa.float32()),
            pa.field("asked", pa.uint32()),
            pa.field("levels", _BLOB, metadata=_AS_BLOB),
            pa.field("rows", _BLOB, metadata=_AS_BLOB),
        ],
        metadata=settings_metadata(settings),
    )


TOP_TOKEN = pa.struct([("token", pa.string()), ("documents", pa.uint32())])

FEATURES_COLUMNS = pa.schema(
    [
        pa.field("feature", pa.uint32()),
        pa.field("token_frequency", pa.uint64()),
        pa.field("document_frequency", pa.uint64()),
        pa.field("max", pa.float32()),
        pa.field("mean", pa.float32()),
        pa.field("sum", pa.float64()),
        pa.field("density", pa.float64()),
        pa.field("histogram", pa.list_(pa.uint64())),
        pa.field("top_tokens", pa.list_(TOP_TOKEN)),
    ]
)

DICTIONARIES_COLUMNS = pa.schema(
    [
        pa.field("name", pa.string()),
        pa.field("fingerprint", pa.string()),
        pa.field("format", pa.string()),
        pa.field("architecture", pa.string()),
        pa.field("d_in", pa.uint32()),
        pa.field("d_sae", pa.uint32()),
        pa.field("signed", pa.bool_()),
        pa.field("hook", pa.string()),
        pa.field("model", pa.string()),
        pa.field("model_fingerprint", pa.string()),
        pa.field("location", pa.string()),
        pa.field("model_location", pa.string()),
        pa.field("vocabulary", pa.list_(pa.string())),
    ]
)

LABELS_COLUMNS = pa.schema(
    [
        pa.field("feature", pa.uint32()),
        pa.field("label", pa.string()),
        pa.field("explainer", pa.string()),
        pa.field("score", pa.float32()),
        pa.field("embedder", pa.string()),
        pa.field("embedding", pa.list_(pa.float32())),
        # tables that an earlier saelake made end here
        pa.field("corpus", pa.string()),  # that it was made from; null where it was imported
        pa.field("coverage", pa.float32()),
        pa.field("score_low", pa.float32()),
        pa.field("score_high", pa.float32()),
        pa.field("n_positive", pa.uint32()),
        pa.field("n_negative", pa.uint32()),
        pa.field("scored_on", pa.string()),  # the corpus; null for a score that was imported
        # and those of another one here
        pa.field("score_kind", pa.string()),  # which of the scores `score` is
        pa.field("scores", pa.list_(SCORE)),
        pa.field("made", MADE),
        pa.field("until", pa.timestamp("us", "UTC")),  # of a former label: when it was replaced
    ]
)


def vectors_schema(width: int, embedder: str) -> pa.Schema:
    """Dense embeddings of length 1, of documents or features; `embedder` made them."""
    return pa.schema(
        [pa.field("row", pa.uint64()), pa.field("vector", pa.list_(pa.float32(), width))],
        metadata={"saelake:format": FORMAT_VERSION, EMBEDDER_KEY: embedder},
    )


EMBEDDER_KEY = "saelake:embedder"

DELETED_COLUMNS = pa.schema([pa.field("doc", pa.uint64())])

FEATURE_NAMES_COLUMNS = pa.schema([pa.field("feature", pa.uint32()), pa.field("name", pa.string())])

NAMES_COLUMNS = pa.schema(
    [
        pa.field("name", pa.string()),
        pa.field("tables", pa.string()),
        pa.field("retired", pa.timestamp("us", "UTC")),
    ]
)

SKIPPED_COLUMNS = pa.schema(
    [
        pa.field("source", pa.string()),
        pa.field("row", pa.uint64()),
        pa.field("id", pa.string()),
        pa.field("reason", pa.string()),
        pa.field("first_doc", pa.uint64()),
    ]
)


def documents_schema(metadata: pa.Schema) -> pa.Schema:
    """`doc`, `id`, `text`, then the user's metadata columns with their types.

    An import that replaces documents adds `REPLACES`, uint64.
    """
    own = [
        pa.field("doc", pa.uint64()),
        pa.field("id", pa.string()),
        pa.field("text", pa.string(), metadata={"lance-encoding:compression": "none"}),
    ]
    return pa.schema([*own, *metadata], metadata={"saelake:format": FORMAT_VERSION})
