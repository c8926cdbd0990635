"""Nothing that was released is taken away: clients of then ask servers of now."""

import copy
from collections.abc import Iterator
from pathlib import Path

import pytest
from google.protobuf.descriptor_pb2 import (
    DescriptorProto,
    EnumDescriptorProto,
    FieldDescriptorProto,
    FileDescriptorProto,
)

from saelake.proto.v1 import lake_pb2 as pb

RELEASED = Path(__file__).parents[2] / "proto" / "v1" / "released.binpb"
File = FileDescriptorProto


def released() -> File:
    return File.FromString(RELEASED.read_bytes())


def current() -> File:
    return File.FromString(pb.DESCRIPTOR.serialized_pb)


def broken(old: File, new: File) -> Iterator[str]:
    """What a client of the old contract would miss in the new one."""
    if old.package != new.package:
        yield f"package {old.package}"
    for service in old.service:
        kept = {m.name: m for s in new.service if s.name == service.name for m in s.method}
        for method in service.method:
            name = f"{service.name}.{method.name}"
            if method.name not in kept:
                yield name
            elif shape(method) != shape(kept[method.name]):
                yield f"{name} is called otherwise"
    messages = {message.name: message for message in new.message_type}
    for message in old.message_type:
        yield from broken_message(message, messages.get(message.name))
    enums = {enum.name: enum for enum in new.enum_type}
    for enum in old.enum_type:
        yield from broken_enum(enum, enums.get(enum.name))


def shape(method: object) -> tuple[object, ...]:
    names = ("input_type", "output_type", "client_streaming", "server_streaming")
    return tuple(getattr(method, name) for name in names)


def broken_message(old: DescriptorProto, new: DescriptorProto | None) -> Iterator[str]:
    kept = {} if new is None else {field.name: field for field in new.field}
    if new is None:
        yield old.name
    for field in old.field:
        now = kept.get(field.name)
        if now is None:
            yield f"{old.name}.{field.name}"
            continue
        facts = ("number", "type", "type_name", "label", "proto3_optional")
        for fact in facts:
            if getattr(field, fact) != getattr(now, fact):
                yield f"{old.name}.{field.name} has another {fact}"
        if field.HasField("oneof_index") != now.HasField("oneof_index"):
            yield f"{old.name}.{field.name} has another oneof"


def broken_enum(old: EnumDescriptorProto, new: EnumDescriptorProto | None) -> Iterator[str]:
    kept = {} if new is None else {value.name: value.number for value in new.value}
    for value in old.value:
        if kept.get(value.name) != value.number:
            yield f"{old.name}.{value.name}"


def test_nothing_of_the_last_release_is_gone_or_otherwise() -> None:
    assert list(broken(released(), current())) == []


def message(file: File, name: str) -> DescriptorProto:
    return next(each for each in file.message_type if each.name == name)


def without_field(file: File) -> str:
    del message(file, "TokensRequest").field[0]
    return "TokensRequest.collection"


def renumbered(file: File) -> str:
    message(file, "TokensRequest").field[1].number = 99
    return "TokensRequest.expression has another number"


def retyped(file: File) -> str:
    message(file, "Frame").field[0].type = FieldDescriptorProto.TYPE_STRING
    return "Frame.arrow has another type"


def without_message(file: File) -> str:
    index = [each.name for each in file.message_type].index("NeighborsRequest")
    del file.message_type[index]
    return "NeighborsRequest"


def without_method(file: File) -> str:
    del file.service[0].method[0]
    return "Lake.Info"


def not_streamed(file: File) -> str:
    file.service[0].method[1].server_streaming = False
    return "Lake.Tokens is called otherwise"


def another_choice(file: File) -> str:
    value = file.enum_type[0].value[1]
    value.ClearField("number")
    return f"{file.enum_type[0].name}.{value.name}"


@pytest.mark.parametrize(
    "change",
    [
        without_field,
        renumbered,
        retyped,
        without_message,
        without_method,
        not_streamed,
        another_choice,
    ],
)
def test_what_breaks_clients_is_found(change: object) -> None:
    assert callable(change)
    now = copy.deepcopy(released())
    named = change(now)
    assert named in list(broken(released(), now))
