"""Requests as messages, and back: fields of one name, whatever the question.

A field that a message leaves out has the request's own default. A choice is the value of the
field's enum of that name; `k` None is `all`.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import MISSING, Field, fields
from functools import cache, partial
from importlib import import_module
from typing import Any, TypeAlias

from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import Message as Message
from google.protobuf.message_factory import GetMessageClass

from saelake.proto.v1 import lake_pb2 as pb
from saelake.store.errors import InvalidInput
from saelake.store.requests.checks import Selection, Weight
from saelake.store.requests.request import Request

_SERVICE = pb.DESCRIPTOR.services_by_name["Lake"]
SERVICE: str = _SERVICE.full_name


def _request_of(method: str) -> type[Request]:
    """Method `Tokens` takes the message `TokensRequest`, which is the request `TokensQuery`."""
    module = import_module(f"saelake.store.requests.{method.lower()}")
    request: type[Request] = getattr(module, f"{method}Query")
    return request


# Those that answer a question; others, as Version, have messages of their own.
METHODS: Mapping[str, type[Request]] = {
    m.name: _request_of(m.name) for m in _SERVICE.methods if m.output_type is pb.Frame.DESCRIPTOR
}
# What methods were called before, for clients of that time.
FORMER: Mapping[str, str] = {"Correlations": "Correlate", "Clusters": "Cluster"}
_METHOD_OF = {query: method for method, query in METHODS.items()}
_NESTED: Mapping[str, type[Any]] = {"Selection": Selection, "Weight": Weight}

Reader: TypeAlias = Callable[[Any], Any]


def method_of(request: Request) -> str:
    """The name of the method that answers a request."""
    return _METHOD_OF[type(request)]


def message_type(method: str) -> type[Message]:
    """The message that a method takes."""
    return GetMessageClass(_SERVICE.methods_by_name[method].input_type)


def to_message(request: Request) -> Message:
    """The request as its method's message."""
    message: Message = _message(message_type(method_of(request)), request)
    return message


def to_request(method: str, message: Message) -> Request:
    """The request that a method's message is. Raises `InvalidInput`."""
    request: Request = _value(METHODS[method], message)
    return request


def _message(kind: type[Any], value: Any) -> Any:
    message = kind()
    for field in fields(value):
        given = getattr(value, field.name)
        if given is not None:
            _put(message, kind.DESCRIPTOR.fields_by_name[field.name], given)
        elif field.name == "k":
            message.all = True
    return message


def _put(message: Any, field: FieldDescriptor, given: Any) -> None:
    place = getattr(message, field.name)
    if field.enum_type is not None:
        number = field.enum_type.values_by_name[_prefix(field) + given.upper()].number
        setattr(message, field.name, number)
    elif field.is_repeated and field.message_type is not None:
        place.extend(_message(GetMessageClass(field.message_type), item) for item in given)
    elif field.is_repeated:
        place.extend(given)
    elif isinstance(place, pb.FeatureList):
        place.SetInParent()  # no features are not the same as all
        place.numbers.extend(given)
    elif field.message_type is not None:
        place.CopyFrom(_message(GetMessageClass(field.message_type), given))
    else:
        setattr(message, field.name, given)


def _value(kind: Any, message: Any) -> Any:
    said = {name: read(message) for name, read in _readers(kind, message.DESCRIPTOR)}
    return kind(**{name: value for name, value in said.items() if value is not MISSING})


@cache  # to ask a descriptor takes longer than to read a field
def _readers(kind: Any, sent: Any) -> Sequence[tuple[str, Reader]]:
    """What reads each field of a value from its message; MISSING where that says nothing of it."""
    sent_fields = sent.fields_by_name
    readers = {field.name: _reader(field, sent_fields[field.name]) for field in fields(kind)}
    if "all" in sent_fields:
        readers["k"] = partial(_unless_all, readers["k"])
    return tuple(readers.items())


def _reader(field: Field[Any], sent: FieldDescriptor) -> Reader:
    name, made = field.name, _maker(sent)
    if sent.is_repeated:
        return lambda message: tuple(map(made, getattr(message, name)))
    if sent.has_presence:
        return partial(_if_sent, field, made)
    return lambda message: made(getattr(message, name))


def _if_sent(field: Field[Any], made: Reader, message: Any) -> Any:
    if message.HasField(field.name):
        return made(getattr(message, field.name))
    if field.default is MISSING:
        raise InvalidInput(f"The field {field.name} is missing.", field=field.name)
    return MISSING


def _unless_all(read: Reader, message: Any) -> Any:
    return None if message.all else read(message)


def _maker(sent: FieldDescriptor) -> Reader:
    """What makes a value of one that was sent."""
    if sent.enum_type is not None:
        return partial(_choice, sent)
    if sent.message_type is None:
        return lambda plain: plain
    if sent.message_type is pb.FeatureList.DESCRIPTOR:
        return lambda features: tuple(features.numbers)
    return partial(_value, _NESTED[sent.message_type.name])


def _choice(field: Any, number: int) -> Any:
    chosen = field.enum_type.values_by_number.get(number)
    if chosen is None:
        raise InvalidInput(f"{field.name} has no choice {number}.", field=field.name)
    return MISSING if number == 0 else chosen.name.removeprefix(_prefix(field)).lower()


def _prefix(field: Any) -> str:
    """What the names of the enum's values begin with: `PER_` of PER_UNSPECIFIED."""
    name: str = field.enum_type.values[0].name
    return name.removesuffix("UNSPECIFIED")
