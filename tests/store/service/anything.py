"""Requests as anybody may send them: fields with values that are odd, bytes that were changed."""

import random
from collections.abc import Sequence
from typing import Any

from google.protobuf.descriptor import FieldDescriptor

NAME = "made/random"
TEXTS: Sequence[str] = (
    *(NAME, "made", "a/b/c", "../..", "", "\x00", "é\u202e", "\x1b[2J", "x" * 1000, "*", "%", "'"),
    *("3", "-3", "3 & 4", "3 > 1e400", "9" * 30, "nan", "window:3", f"window:{2**70}", "token"),
    *("label = 'pos'", "1/0", "length/0 = 1", "length % 0 = 1", "length > 3", "length + 1e308 > 0"),
    *("cast(label as int) = 3", "regexp_like(id, '(')", "label", "length", "doc", "feature", "d1"),
)
NUMBERS: Sequence[int] = (0, 1, 2, 3, -1, 10, 2**31 - 1, -(2**31), 2**32 - 1, 2**63 - 1, 2**64 - 1)
REALS: Sequence[float] = (0.0, 1.0, -1.0, 0.5, 3.0, 1e300, float("nan"), float("inf"))
DEEPEST = 2


class Anything:
    """Makes requests, always the same of one seed."""

    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed)

    def choice(self, among: Sequence[Any]) -> Any:
        return self._random.choice(among)

    def sent(self, kind: Any) -> bytes:
        """A message of a kind as bytes, of which one in ten has a byte that was changed."""
        bytes_sent = bytearray(self._filled(kind(), 0).SerializeToString())
        if bytes_sent and self._random.random() < 0.1:
            bytes_sent[self._random.randrange(len(bytes_sent))] = self._random.randrange(256)
        return bytes(bytes_sent)

    def _filled(self, message: Any, depth: int) -> Any:
        for field in message.DESCRIPTOR.fields:
            if field.name == "collection" and self._random.random() < 0.9:
                message.collection = NAME
            elif self._random.random() < 0.4:
                self._fill(message, field, depth)
        return message

    def _fill(self, message: Any, field: FieldDescriptor, depth: int) -> None:
        if field.message_type is not None:
            if depth < DEEPEST:
                place = getattr(message, field.name)
                place = place.add() if field.is_repeated else place
                place.SetInParent()
                self._filled(place, depth + 1)
            return
        value = self._value(field)
        try:
            if field.is_repeated:
                getattr(message, field.name).extend([value] * self._random.randint(1, 3))
            else:
                setattr(message, field.name, value)
        except ValueError:
            pass  # a number that the field has no room for

    def _value(self, field: FieldDescriptor) -> Any:
        if field.enum_type is not None:
            return self.choice([0, 1, 2, 77])
        if field.cpp_type == FieldDescriptor.CPPTYPE_STRING:
            text = self.choice(TEXTS)
            return text if field.type == FieldDescriptor.TYPE_STRING else text.encode()
        if field.cpp_type == FieldDescriptor.CPPTYPE_BOOL:
            return self.choice([True, False])
        if field.cpp_type in (FieldDescriptor.CPPTYPE_DOUBLE, FieldDescriptor.CPPTYPE_FLOAT):
            return self.choice(REALS)
        return self.choice(NUMBERS)
