"""Commands and their reports as messages, and back: fields of one name, whatever the command.

A field that a message leaves out has the command's own default; a choice is the value of the
field's enum of that name.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import MISSING, fields, is_dataclass
from datetime import UTC, datetime
from types import UnionType
from typing import Any, TypeVar, Union, get_args, get_origin, get_type_hints

from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass
from google.protobuf.timestamp_pb2 import Timestamp

from saelake.proto.v1 import lake_pb2 as pb
from saelake.store.errors import InvalidInput
from saelake.store.requests.commands.columns import AnnotateCommand, DropColumnCommand
from saelake.store.requests.commands.command import Command
from saelake.store.requests.commands.documents import DeleteCommand, ImportCommand
from saelake.store.requests.commands.jobs import (
    CancelJobCommand,
    StartEmbedCommand,
    StartEncodeCommand,
    StartIndexCommand,
    StartLabelCommand,
    StartProjectCommand,
    WatchJobCommand,
)
from saelake.store.requests.commands.labels import (
    DeleteLabelsCommand,
    ImportLabelsCommand,
    SetLabelsCommand,
)
from saelake.store.requests.commands.upkeep import (
    CleanupCommand,
    CompactCommand,
    DropCommand,
    RepairCommand,
    ReplaceCommand,
    TagCommand,
    UntagCommand,
)

T = TypeVar("T")

_CHANGES = pb.DESCRIPTOR.services_by_name["Changes"]
CHANGES: str = _CHANGES.full_name
COMMANDS: Mapping[str, type[Command]] = {
    kind.command: kind
    for kind in (
        SetLabelsCommand,
        DeleteLabelsCommand,
        ImportLabelsCommand,
        ImportCommand,
        DeleteCommand,
        AnnotateCommand,
        DropColumnCommand,
        StartEncodeCommand,
        StartIndexCommand,
        StartEmbedCommand,
        StartLabelCommand,
        StartProjectCommand,
        CancelJobCommand,
        WatchJobCommand,
        TagCommand,
        UntagCommand,
        CompactCommand,
        RepairCommand,
        CleanupCommand,
        ReplaceCommand,
        DropCommand,
    )
}
UNSPECIFIED = "UNSPECIFIED"


def path_of(method: str) -> str:
    """What gRPC calls a method of `Changes`."""
    return f"/{CHANGES}/{method}"


def input_type(method: str) -> type[Message]:
    """The message that a method takes."""
    return GetMessageClass(_CHANGES.methods_by_name[method].input_type)


def output_type(method: str) -> type[Message]:
    """The message that a method answers with."""
    return GetMessageClass(_CHANGES.methods_by_name[method].output_type)


def pieces(command: Command, frames: Iterable[bytes]) -> Iterator[Message]:
    """The messages of a command with rows: what it is, and then the frames of its rows."""
    kind: Any = input_type(command.command)
    begin = GetMessageClass(kind.DESCRIPTOR.fields_by_name["begin"].message_type)
    yield kind(begin=to_message(begin, command))
    for frame in frames:
        yield kind(arrow=frame)


# -- Any frozen value.


def to_message(kind: type[Message], value: Any) -> Message:
    """The value as a message that has its fields; None is left out."""
    message: Any = kind()
    for field in fields(value):
        given = getattr(value, field.name)
        if given is not None:
            _put(message, kind.DESCRIPTOR.fields_by_name[field.name], given)
    return message  # type: ignore[no-any-return]  # a message that was made by its descriptor


def _put(message: Any, field: Any, given: Any) -> None:
    place = getattr(message, field.name)
    if isinstance(given, Mapping):
        place.update(given)
    elif isinstance(given, datetime):
        place.FromDatetime(given.astimezone(UTC))
    elif isinstance(place, pb.FeatureList):
        place.SetInParent()  # no features are not the same as all
        place.numbers.extend(given)
    elif field.is_repeated and field.message_type is not None:
        place.extend(to_message(GetMessageClass(field.message_type), item) for item in given)
    elif field.is_repeated:
        place.extend(given)
    elif field.message_type is not None:
        place.CopyFrom(to_message(GetMessageClass(field.message_type), given))
    elif field.enum_type is not None:
        name = f"{_prefix(field)}{given.upper()}"
        setattr(message, field.name, field.enum_type.values_by_name[name].number)
    else:
        setattr(message, field.name, given)


def from_message(kind: type[T], message: Message) -> T:
    """The value of this kind that a message with its fields is. Raises `InvalidInput`."""
    hints = get_type_hints(kind)
    value: Any = kind
    said = {f.name: _said(message, f.name, hints[f.name]) for f in fields(value)}
    for field in fields(value):
        if said[field.name] is None and field.default is field.default_factory is MISSING:
            raise InvalidInput(f"The field {field.name} is missing.", field=field.name)
    return kind(**{name: given for name, given in said.items() if given is not None})


def _said(message: Any, name: str, hint: Any) -> Any:
    """What the message says of a field; None where that is left to the default."""
    field = message.DESCRIPTOR.fields_by_name[name]
    place = getattr(message, name)
    if field.is_repeated and hasattr(place, "items"):
        return dict(place)
    if field.is_repeated:
        item: Any = get_args(hint)[0]
        nested = is_dataclass(item)
        return tuple(from_message(_type(item), each) if nested else each for each in place)
    if field.has_presence and not message.HasField(name):
        return _absent(name, hint, field)
    if isinstance(place, pb.FeatureList):
        return tuple(place.numbers)
    if isinstance(place, Timestamp):
        return place.ToDatetime(UTC)
    if field.message_type is not None:
        return from_message(_type(_some(hint)), place)
    return _choice(field, place) if field.enum_type is not None else place


def _some(hint: Any) -> Any:
    """What a value is of this hint that is there."""
    return next((kind for kind in get_args(hint) if is_dataclass(kind)), hint)


def _type(hint: Any) -> type[Any]:
    found: type[Any] = hint
    return found


def _absent(name: str, hint: Any, field: Any) -> None:
    """None, of a field that may be left out. Raises `InvalidInput` for one that must be there."""
    if field.message_type is not None and get_origin(hint) not in (Union, UnionType):
        raise InvalidInput(f"The field {name} is missing.", field=name)


def _choice(field: Any, number: int) -> str | None:
    chosen = field.enum_type.values_by_number.get(number)
    if chosen is None:
        raise InvalidInput(f"{field.name} has no choice {number}.", field=field.name)
    return None if number == 0 else chosen.name.removeprefix(_prefix(field)).lower()


def _prefix(field: Any) -> str:
    """What the names of the enum's values begin with."""
    name: str = field.enum_type.values[0].name
    return name.removesuffix(UNSPECIFIED)
