"""Texts of questions, through the models that a lake was made with: see `store.snapshot.models`."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial

import pyarrow as pa

from saelake.store.codes.embeddings import Block, embedded
from saelake.store.codes.poles import by_pole
from saelake.store.errors import DictionaryMismatch, ModelError
from saelake.store.format.lists import Array
from saelake.store.format.schema import CollectionSettings
from saelake.store.requests.checks import Pooling
from saelake.store.requests.waited.progress import entered
from saelake.workers.dictionaries.load import load_dictionary
from saelake.workers.encoder.encode import PageEncoder, Target
from saelake.workers.encoder.hooks import resolve_hook
from saelake.workers.encoder.models import Model, load_model
from saelake.workers.encoder.pages import pages
from saelake.workers.encoder.tokens import TokenSettings
from saelake.workers.texts.failures import Failures
from saelake.workers.texts.sentences import SentenceModel
from saelake.workers.texts.turns import ModelTurns

BATCH_TOKENS = 2048
CHUNK_BYTES = 64 << 20
PAGE_TOKENS = 1 << 16
LOADING = "loading the model"  # the stage, for who listens


@dataclass(slots=True)
class ModelTexts:
    """Encodes and embeds texts; models are loaded when first asked for, and kept.

    One that cannot be loaded is not tried anew for a minute.

    `places` says where models are that are not where they were: by name or former location.
    """

    places: Mapping[str, str] = field(default_factory=dict)
    _models: dict[tuple[str, str | None], Model] = field(default_factory=dict)
    _encoders: dict[CollectionSettings, tuple[Model, PageEncoder]] = field(default_factory=dict)
    _sentences: dict[str, SentenceModel] = field(default_factory=dict)
    _failures: Failures = field(default_factory=Failures)
    _turns: ModelTurns = field(default_factory=ModelTurns)

    def codes(
        self, settings: CollectionSettings, model: str, dictionary: str, text: str, pooling: Pooling
    ) -> Block:
        """See `Texts`; a text longer than the window is cut into windows, as documents are."""
        rows = self.rows(settings, model, dictionary, [text])
        return embedded(rows, settings.codec, pooling)

    def rows(
        self, settings: CollectionSettings, model: str, dictionary: str, texts: Sequence[str]
    ) -> pa.Table:
        """See `Texts`."""
        with self._turns.turn():
            if settings not in self._encoders:
                entered(LOADING)
                load = partial(self._encoder, settings, model, dictionary)
                self._encoders[settings] = self._failures.tried((settings, model, dictionary), load)
            loaded, encoder = self._encoders[settings]
            entered("reading texts")
            tokens = TokenSettings.of(settings)
            documents = [(range(len(texts)), list(texts))]
            batches = [
                encoder.pack(encoder.encode(page, [settings.name]), settings.name)
                for page in pages(documents, loaded.tokenizer, tokens, page_tokens=PAGE_TOKENS)
            ]
        found = pa.Table.from_batches(batches)
        return by_pole(found, found.schema.names, settings)

    def embed(self, model: str, texts: Sequence[str]) -> Array:
        """See `Texts`."""
        with self._turns.turn():
            if model not in self._sentences:
                entered(LOADING)
                load = partial(SentenceModel.load, self._place(model))
                self._sentences[model] = self._failures.tried(model, load)
            return self._sentences[model].embed(texts)

    def _place(self, location: str) -> str:
        return self.places.get(location, location)

    def _encoder(
        self, settings: CollectionSettings, model: str, dictionary: str
    ) -> tuple[Model, PageEncoder]:
        place = self.places.get(settings.model, self._place(model))
        way = settings.quantization
        if (place, way) not in self._models:
            self._models[place, way] = load_model(place, quantization=way)
        loaded = self._models[place, way]
        if loaded.fingerprint != settings.model_fingerprint:
            raise ModelError(
                f"{model} is not the model that {settings.name} was encoded with: its weights "
                "differ, so its codes of a text would mean something else.",
                model=model,
            )
        found = load_dictionary(
            self.places.get(settings.dictionary, self._place(dictionary)),
            hook=settings.hook,
            norm_factor=settings.norm_factor,
        )
        if found.fingerprint != settings.fingerprint:
            raise DictionaryMismatch(
                f"{dictionary} is not the dictionary that {settings.name} was encoded with: its "
                "weights differ.",
                dictionary=dictionary,
            )
        target = Target(
            settings=settings,
            dictionary=found.to(loaded.device, loaded.dtype),
            hook=resolve_hook(loaded.module, settings.hook),
        )
        encoder = PageEncoder(
            loaded,
            [target],
            batch_tokens=BATCH_TOKENS,
            chunk_bytes=CHUNK_BYTES,
            on_error="fail",
            batch_invariant=settings.batch_invariant,
        )
        return loaded, encoder
