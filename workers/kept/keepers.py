"""What a run keeps of its activations: one table for each hook point, and in which type."""

from collections.abc import Iterator, Sequence

import torch

from saelake.store.activations.table import find_store
from saelake.store.documents.documents import Documents
from saelake.store.format.activations import KeptDtype, KeptSettings
from saelake.store.lake.lake import Lake
from saelake.workers.encoder.batches import Batch, batches
from saelake.workers.encoder.encode import Target
from saelake.workers.encoder.keep import Keeper
from saelake.workers.encoder.models import Model
from saelake.workers.encoder.options import KeepOptions
from saelake.workers.encoder.pages import pages
from saelake.workers.encoder.reader import ActivationReader
from saelake.workers.encoder.tokens import TokenSettings

FIRST_DOCUMENTS = 16
FIRST_BATCH_TOKENS = 512
HEADROOM = 16  # the largest activations of a corpus are rarely among its first


def keepers(
    lake: Lake,
    documents: Documents,
    model: Model,
    targets: Sequence[Target],
    tokens: TokenSettings,
    options: KeepOptions | None,
) -> list[Keeper]:
    """What takes the activations of a run, one for each hook point; none without options.

    Dictionaries at one hook point share what is kept, beside the first of them or where an
    earlier run began it.
    """
    found: list[Keeper] = []
    if options is None:
        return found
    for target in targets:
        if any(keeper.settings.are_of(target.settings) for keeper in found):
            continue
        stored = find_store(lake, target.settings)
        dtype: KeptDtype
        if options.dtype != "auto":
            dtype = options.dtype
        elif stored:
            dtype = stored.settings.dtype
        else:
            dtype = _fitting(model, target, documents, tokens)
        collection = stored.settings.collection if stored else target.settings
        settings = KeptSettings(collection=collection, sample=options.sample, dtype=dtype)
        found.append(Keeper(settings=settings, hook=target.hook))
    return found


def _fitting(
    model: Model, target: Target, documents: Documents, tokens: TokenSettings
) -> KeptDtype:
    """The type to keep activations in: the model's, or one that its first ones fit into."""
    if model.dtype == torch.bfloat16:
        return "bfloat16"
    if model.dtype == torch.float16:
        return "float16"
    read = ActivationReader(model, [target.hook])
    for batch in _first_batches(documents, model, tokens, read):
        largest = float(read(batch)[target.hook.name].abs().amax())
        if not HEADROOM * largest <= torch.finfo(torch.float16).max:
            return "bfloat16"
    return "float16"


def _first_batches(
    documents: Documents, model: Model, tokens: TokenSettings, reader: ActivationReader
) -> Iterator[Batch]:
    """The first documents that can be read, as batches of their first tokens."""
    texts = documents.scan_texts(0, min(FIRST_DOCUMENTS, documents.n_documents))
    numbered = ((batch["doc"].to_pylist(), batch["text"].to_pylist()) for batch in texts)
    for page in pages(numbered, model.tokenizer, tokens, page_tokens=FIRST_BATCH_TOKENS):
        unreadable = reader.unreadable(page.windows)
        windows = [window for window in page.windows if window.document not in unreadable]
        yield from batches(windows, FIRST_BATCH_TOKENS)
