"""The registry: the dictionaries that a lake knows, each by the name that its tables have.

This is the one file that reads or writes the table of dictionaries. See `names` for what the name
of a dictionary means.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from saelake.store.errors import AlreadyExists, NotFound
from saelake.store.format.poles import Poles
from saelake.store.format.schema import DICTIONARIES_COLUMNS, IMPORTED, CollectionSettings
from saelake.store.format.vocabulary import whole
from saelake.store.lake.lake import Lake
from saelake.store.tables.changes import Change, Draft
from saelake.store.tables.tables import Table


@dataclass(frozen=True, slots=True, kw_only=True)
class RegisteredDictionary:
    """What is registered of a dictionary: its name, what it is, and where its weights are.

    `location` and `model_location` are where it and its model were loaded from.
    """

    name: str
    fingerprint: str
    d_sae: int
    format: str | None = None
    architecture: str | None = None
    d_in: int | None = None
    signed: bool | None = None
    hook: str | None = None
    model: str | None = None
    model_fingerprint: str | None = None
    location: str | None = None
    model_location: str | None = None

    @property
    def is_imported(self) -> bool:
        """Whether another system made its codes: there are no weights of it."""
        return self.architecture == IMPORTED

    @property
    def poles(self) -> Poles:
        """What is counted of its features."""
        return Poles(self.d_sae, bool(self.signed))

    @classmethod
    def of(
        cls,
        settings: CollectionSettings,
        *,
        format_name: str | None,
        location: str,
        model_location: str | None,
    ) -> "RegisteredDictionary":
        """The dictionary that a collection of these settings is encoded with."""
        return cls(
            name=settings.dictionary,
            fingerprint=settings.fingerprint,
            d_sae=settings.d_sae,
            format=format_name,
            architecture=settings.architecture,
            d_in=settings.d_in,
            signed=settings.signed,
            hook=settings.hook,
            model=settings.model,
            model_fingerprint=settings.model_fingerprint,
            location=location,
            model_location=model_location,
        )

    @classmethod
    def open(cls, lake: Lake, name: str) -> "RegisteredDictionary":
        """The dictionary of this name. Raises `NotFound`."""
        found = cls.find(lake, name)
        if found is None:
            lake.tables()  # says so, where there is no lake at all
            raise NotFound(
                f"{lake.uri} has no dictionary {name!r}. See `saelake info`.", dictionary=name
            )
        return found

    @classmethod
    def find(cls, lake: Lake, name: str) -> "RegisteredDictionary | None":
        """The dictionary of this name, or None where there is none."""
        row = _row(lake, name, [field.name for field in fields(cls)])
        return None if row is None else cls(**{**row, "name": name})


def vocabulary_of(lake: Lake, name: str) -> list[str]:
    """The text of each token id of a dictionary's model; nothing where that is not registered.

    An earlier saelake registered too few ids, and holes between them without a name (see
    `format.vocabulary`).
    """
    row = _row(lake, name, ["name", "vocabulary"])
    return [] if row is None else whole(row["vocabulary"] or [])


def _row(lake: Lake, name: str, columns: Sequence[str]) -> dict[str, Any] | None:
    """Those of the columns that the registry has, in the row of this dictionary."""
    table = Table.find(lake.dictionaries)
    if table is None:
        return None
    tables = lake.tables_of(name)
    present = [column for column in columns if column in table.schema.names]
    rows = (row for batch in table.scan(present) for row in batch.to_pylist())
    return next((row for row in rows if row["name"] == tables), None)


def register_dictionary(
    lake: Lake, dictionary: RegisteredDictionary, vocabulary: Sequence[str]
) -> None:
    """Put a dictionary into the registry, once, with the text of each token id of its model.

    Raises `AlreadyExists` when another dictionary has its name.
    """
    table = Table.open_or_create(lake.dictionaries, DICTIONARIES_COLUMNS)
    row = {
        **asdict(dictionary),
        "name": lake.tables_of(dictionary.name),
        "vocabulary": list(vocabulary),
    }
    draft = table.write([pa.RecordBatch.from_pylist([row], schema=table.schema)])

    def decide(snapshot: Table) -> Change | None:
        known = _is_registered(lake, dictionary.name, dictionary.fingerprint, snapshot)
        return None if known else Change(add=draft)

    table.commit(decide)


def check_registrable(lake: Lake, name: str, fingerprint: str) -> None:
    """Raise `AlreadyExists` when another dictionary has this name."""
    table = Table.find(lake.dictionaries)
    if table is not None:
        _is_registered(lake, name, fingerprint, table)


def unregister_dictionary(lake: Lake, tables: str) -> None:
    """Take out what is registered of the dictionary whose tables have this name, if anything is."""

    def decide(snapshot: Table) -> Change | None:
        for fragment in snapshot.fragments:
            (rows,) = snapshot.scan(snapshot.schema.names, fragments=[fragment.id])
            others = rows.filter(pc.not_equal(rows["name"], tables))
            if others.num_rows < rows.num_rows:
                add = snapshot.write([others]) if others.num_rows else Draft(())
                return Change(add=add, remove=(fragment.id,))
        return None

    table = Table.find(lake.dictionaries)
    if table is not None:
        table.commit(decide)


def _is_registered(lake: Lake, name: str, fingerprint: str, dictionaries: Table) -> bool:
    """Whether the dictionary is there. Raises `AlreadyExists` if another one has its name."""
    known = {
        row["name"]: row["fingerprint"]
        for batch in dictionaries.scan(["name", "fingerprint"])
        for row in batch.to_pylist()
    }
    tables = lake.tables_of(name)
    if known.get(tables, fingerprint) != fingerprint:
        raise AlreadyExists(
            f"The lake already has another dictionary named {name!r}. Give this one another name "
            "with --name; `saelake replace` can give it this one's afterwards.",
            dictionary=name,
        )
    return tables in known
