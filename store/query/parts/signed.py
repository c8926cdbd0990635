"""Signed dictionaries at the edge: features of a question as poles, poles of an answer as features.

What answers questions counts poles and knows no signs (see `format.poles`). Here the numbers of a
question become poles, and in its answer a column of poles becomes two: the features, in [0, d_sae),
and beside them `pole`, which is + or -. Values of negative poles become negative. Of a dictionary
that is not signed, question and answer stay as they are.
"""

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any, TypeAlias

import numpy as np
import pyarrow as pa

from saelake.store.errors import InvalidInput
from saelake.store.format.lists import Array, Lists
from saelake.store.format.poles import Poles, every, said
from saelake.store.lake.dictionaries import RegisteredDictionary
from saelake.store.requests.checks import Selection, Weight
from saelake.store.requests.request import Request
from saelake.store.snapshot.session import Session

Answer: TypeAlias = pa.RecordBatch | pa.Table | pa.RecordBatchReader

NUMBERS = ("features", "within")  # of questions; and `feature`, which is one
ONE_POLE = "place_features"  # of which each is one, as `feature` is
VALUES = ("value", "max", "mean", "sum")  # that are a pole's, where they stand beside it
SIGNED_THEMSELVES = ("tokens", "codes")  # questions that answer with signed values and no pole
UNKNOWN = Poles(0, signed=False)


@dataclass(frozen=True, slots=True)
class Sides:
    """Whose features a question and its answer are about; `b` are those of `feature_b`."""

    name: str
    a: Poles
    b: Poles

    @classmethod
    def of(cls, session: Session, request: Request) -> "Sides":
        """Those of the first collection or dictionary that a question names, and of a match both.

        Of a dictionary that there is not, nothing is said: whoever answers the question does.
        """
        given: Any = request
        by_name = hasattr(request, "dictionary") or getattr(request, "by", None) == "decoder"
        names = [_named(getattr(given, f, None)) for f in ("collection", "dictionary", "pool", "a")]
        name = next((name for name in names if name), "")
        other = _named(given.b) if request.question == "match" else None
        a = _poles(session, name, by_name)
        return cls(name, a, a if other is None else _poles(session, other, by_name))

    @property
    def are_signed(self) -> bool:
        """Whether an answer has signs."""
        return self.a.signed or self.b.signed


def has_poles(request: Request) -> bool:
    """Whether a question names features by number, or its answer does."""
    if request.question in SIGNED_THEMSELVES:
        return False
    named = any(field.name in (*NUMBERS, "feature") for field in _fields(request))
    return named or any(_is_poles(field) for field in request.answer)


def answered(session: Session, request: Request, answer: Callable[[Session, Any], Any]) -> Any:
    """What `answer` says to a question, asked and shown as people name features."""
    if not has_poles(request):
        return answer(session, request)
    sides = Sides.of(session, request)
    found = answer(session, asked(request, sides))
    return shown(found, sides) if sides.are_signed else found


def _fields(request: Request) -> Sequence[Any]:
    given: Any = request
    return fields(given)


def _named(given: Any) -> str | None:
    return given.collection if isinstance(given, Selection) else given


def _poles(session: Session, name: str, by_name: bool) -> Poles:
    """Those of a collection; or by the name of a dictionary, or of one of its collections."""
    if by_name:
        return dictionary_poles(session, name.rpartition("/")[2])
    return session.collection(name).settings.poles


def dictionary_poles(session: Session, dictionary: str) -> Poles:
    """The poles of a dictionary; none of one that there is not."""
    known = RegisteredDictionary.find(session.lake, dictionary)
    return UNKNOWN if known is None else known.poles


# -- The question.


def asked(request: Request, sides: Sides) -> Request:
    """The question, with poles for the numbers of features. Raises `NotFound`, `InvalidInput`."""
    given: Any = request
    if sides.a is UNKNOWN:
        return request
    made: dict[str, Any] = {}
    for field in _fields(request):
        value = getattr(given, field.name)
        if field.name == "weights":
            made[field.name] = tuple(each for weight in value for each in _weights(weight, sides))
        elif field.name == "features" and value and isinstance(value[0], Weight):
            made[field.name] = tuple(_pulled(weight, sides) for weight in value)
        elif field.name in NUMBERS and value:
            made[field.name] = every(value, sides.a, sides.name)
        elif field.name == "feature":  # of two poles, which are each other's mirror, the positive
            made[field.name] = sides.a.of(value, sides.name)[0]
        elif field.name == ONE_POLE:
            made[field.name] = tuple(sides.a.of(each, sides.name)[0] for each in value)
    made_of: Request = replace(given, **made)
    return made_of


def _weights(weight: Weight, sides: Sides) -> Iterator[Weight]:
    for pole in sides.a.of(weight.feature, sides.name):
        yield Weight(feature=pole, weight=weight.weight)


def _pulled(given: Weight, sides: Sides) -> Weight:
    """A feature with a value, which says by its sign which pole is meant, unless the name does."""
    poles = sides.a.of(given.feature, sides.name)
    if not sides.a.signed:
        return Weight(feature=poles[0], weight=given.weight)
    if len(poles) == 1 and given.weight < 0:
        name = said(given.feature)
        raise InvalidInput(
            f"{name}:{given.weight:g} gives two signs: write {name}:{-given.weight:g} for one pole "
            f"of the feature, or its number with a value above or below 0.",
            feature=given.feature,
        )
    pole = poles[0] if len(poles) == 1 else poles[int(given.weight < 0)]
    return Weight(feature=pole, weight=abs(given.weight))


# -- The answer.


def shown(answer: Answer, sides: Sides) -> Answer:
    """The answer, with features and signs for poles."""
    if not isinstance(answer, pa.RecordBatchReader):
        return _rows(answer, sides)
    schema = _rows(answer.schema.empty_table(), sides).schema
    batches = (_rows(batch, sides) for batch in answer)
    return pa.RecordBatchReader.from_batches(schema, batches)


def _rows(rows: Any, sides: Sides) -> Any:
    """A table or batch, column by column."""
    names: list[str] = []
    columns: list[Any] = []
    for field, column in zip(rows.schema, rows.columns, strict=True):
        poles = sides.b if field.name == "feature_b" else sides.a
        made = _column(field, column, poles) if poles.signed else {field.name: column}
        names += made
        columns += made.values()
    columns = _signed(names, columns)
    schema = [pa.field(n, c.type) for n, c in zip(names, columns, strict=True)]
    said = _said(rows.schema.metadata, sides.a)
    return type(rows).from_arrays(columns, schema=pa.schema(schema, metadata=said))


def _said(metadata: dict[bytes, bytes] | None, poles: Poles) -> dict[bytes, bytes] | None:
    """What an answer says of itself, in which `chosen` is a list of features."""
    if not metadata or b"chosen" not in metadata:
        return metadata
    chosen = [_marked(row, poles) for row in json.loads(metadata[b"chosen"])]
    return metadata | {b"chosen": json.dumps(chosen, ensure_ascii=False).encode()}


def _marked(row: dict[str, Any], poles: Poles) -> dict[str, Any]:
    pole = np.array([row["feature"]])
    mark = {"pole": poles.marks(pole)[0].as_py()} if poles.signed else {}
    return {"feature": int(poles.features(pole)[0]), **mark} | {
        name: value for name, value in row.items() if name != "feature"
    }


def _is_poles(field: pa.Field) -> bool:
    """Whether a column has poles: itself, in lists, or in the structs of lists."""
    if pa.types.is_list(field.type):
        inner = field.type.value_type
        if pa.types.is_struct(inner):
            return bool(inner.get_field_index("feature") >= 0)
    return field.name in ("feature", "features", "feature_a", "feature_b")


def _column(field: pa.Field, column: Any, poles: Poles) -> dict[str, Any]:
    """The columns that one becomes, by name."""
    if not _is_poles(field):
        return {field.name: column}
    whole = column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column
    if not pa.types.is_list(field.type):
        numbers = whole.to_numpy(zero_copy_only=False)
        marks = field.name.replace("feature", "pole")
        features = pa.array(poles.features(numbers), field.type)
        return {field.name: features, marks: poles.marks(numbers)}
    lists = Lists.of(whole)
    if pa.types.is_struct(field.type.value_type):
        return {field.name: _structs(whole, poles)}
    return {
        field.name: Lists(lists.offsets, poles.features(lists.values)).to_arrow(field.type),
        "poles": _listed(lists.offsets, poles.marks(lists.values)),
    }


def _structs(column: pa.ListArray, poles: Poles) -> pa.ListArray:
    """Lists of structs that have a pole, each with its feature and sign."""
    structs = column.flatten()
    names: list[str] = []
    columns: list[Any] = []
    for field, values in zip(structs.type, structs.flatten(), strict=True):
        made = _column(field, values, poles)
        names += made
        columns += made.values()
    columns = _signed(names, columns)
    lengths = np.diff(np.asarray(column.offsets))
    offsets = np.concatenate([[0], np.cumsum(lengths)])
    return _listed(offsets, pa.StructArray.from_arrays(columns, names=names))


def _listed(offsets: Array, values: pa.Array) -> pa.ListArray:
    return pa.ListArray.from_arrays(pa.array(offsets, pa.int32()), values)


def _signed(names: Sequence[str], columns: list[Any]) -> list[Any]:
    """The columns, with the values of negative poles below 0."""
    if "pole" not in names:
        return columns
    sign = np.where(np.asarray(columns[names.index("pole")]) == "-", -1.0, 1.0)
    return [
        _times(column, sign) if name in VALUES else column
        for name, column in zip(names, columns, strict=True)
    ]


def _times(column: Any, sign: Array) -> Any:
    """A column of floats, nulls kept, times a sign for each."""
    values = column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column
    known = np.asarray(values.is_valid())
    numbers = np.asarray(values.fill_null(0)) * sign
    return pa.array(numbers, values.type, mask=~known)
