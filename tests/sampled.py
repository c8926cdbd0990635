"""A lake with a collection of a sample of its tokens, and the whole that it is a sample of."""

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import numpy.typing as npt

from saelake.store.codes.table import CodesTable
from saelake.store.codes.terse import terse
from saelake.store.format.sampling import TokenSample
from saelake.store.format.schema import CollectionSettings, codes_schema, terse_schema
from saelake.store.lake.lake import CollectionName
from saelake.store.snapshot.collection import open_codes
from saelake.store.tables.changes import Change
from saelake.store.tables.tables import Table
from saelake.workers.encoder.pack import PageCodes, Part, pack
from tests.lakes import WORDS, Code, MadeLake, _register

Floats = npt.NDArray[np.float32]


def in_sample(sample: TokenSample, code: Code) -> bool:
    """Whether a code's token is in the sample."""
    return bool(sample.has(np.array([code.doc]), np.array([code.position]))[0])


def add_sample(
    made: MadeLake,
    sample: TokenSample,
    *,
    dictionary: str = "sampled",
    earlier: bool = False,
) -> MadeLake:
    """The same codes of the tokens in a sample only, as one fragment that no segment covers.

    With `earlier` its settings are as an earlier saelake wrote them.
    """
    name = CollectionName(made.name.corpus, dictionary)
    whole = CodesTable(open_codes(made.lake, made.name)).settings
    chosen = replace(
        whole,
        dictionary=dictionary,
        tokens_from=f"{made.name} at {sample}",
        sample=None if earlier else sample,
    )
    _register(made.lake, chosen)
    codes = [code for code in made.codes if in_sample(sample, code)]
    _write(made, chosen, codes, name)
    return replace(made, name=name, codes=codes)


def _write(
    made: MadeLake, chosen: CollectionSettings, codes: list[Code], name: CollectionName
) -> None:
    parts = []
    for doc, words in enumerate(made.words):
        starts = np.cumsum([0, *(len(word) + 1 for word in words)])[:-1].astype(np.uint32)
        ids = np.array([WORDS.index(word) for word in words], np.int32)
        lengths = np.array([len(word) for word in words], np.uint16)
        parts.append(Part(doc=doc, part=0, token_ids=ids, starts=starts, lengths=lengths))
    rows = PageCodes(
        np.array([code.doc for code in codes], np.int32),
        np.array([code.position for code in codes], np.int32),
        np.array([code.feature for code in codes], np.int32),
        np.array([code.value for code in codes], np.float32),
    )
    batch = pack(parts, rows, schema=codes_schema(chosen), codec=chosen.codec)
    table = Table.open_or_create(made.lake.codes(name), terse_schema(chosen))
    draft = table.write([terse(batch, table.schema)])
    table.commit(lambda _: Change(add=draft))


def held_tokens_of(made: MadeLake, sample: TokenSample) -> Mapping[int, Floats]:
    """The codes (n_held, n_features) of each document's tokens that are in the sample, dense."""
    found = {}
    for doc, matrix in made.tokens().items():
        docs = np.full(len(matrix), doc)
        found[doc] = matrix[sample.has(docs, np.arange(len(matrix)))]
    return found
