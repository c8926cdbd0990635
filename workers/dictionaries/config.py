"""The configuration file beside a dictionary's weights, read with every value checked."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self, TypeVar

import yaml

from saelake.store.errors import DictionaryError

_T = TypeVar("_T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Config:
    """The mapping in the JSON or YAML file at `path`, or a section of it.

    Every method raises DictionaryError, with the file and the key, where a value is missing and
    has no default, or is not of its type. A null counts as missing.
    """

    path: Path
    values: Mapping[str, Any]

    @classmethod
    def read(cls, path: Path) -> Self:
        """The configuration in the `.json` or `.yaml` file at `path`."""
        try:
            text = path.read_text(encoding="utf-8")
            values = json.loads(text) if path.suffix == ".json" else yaml.safe_load(text)
        except (OSError, ValueError, yaml.YAMLError) as error:
            raise DictionaryError(f"{path} cannot be read: {error}", path=path) from error
        if not isinstance(values, dict):
            raise DictionaryError(
                f"{path} holds a {type(values).__name__}; expected an object of settings", path=path
            )
        return cls(path=path, values=values)

    @classmethod
    def read_if_there(cls, path: Path) -> Self:
        """The configuration at `path`, or an empty one where there is no such file."""
        return cls.read(path) if path.is_file() else cls(path=path, values={})

    def section(self, key: str) -> "Config":
        """The object under `key`; an empty one where it is missing."""
        return Config(path=self.path, values=self._typed(key, dict, "an object") or {})

    def text(self, key: str) -> str:
        """The string under `key`."""
        return self._needed(key, self.text_or_none(key))

    def text_or_none(self, key: str) -> str | None:
        """The string under `key`, if it is there."""
        return self._typed(key, str, "a string")

    def integer(self, key: str) -> int:
        """The whole number under `key`."""
        return self._needed(key, self.integer_or_none(key))

    def integer_or_none(self, key: str) -> int | None:
        """The whole number under `key`, if it is there."""
        return self._typed(key, int, "a whole number")

    def number(self, key: str) -> float:
        """The number under `key`."""
        return self._needed(key, self.number_or_none(key))

    def number_or_none(self, key: str) -> float | None:
        """The number under `key`, if it is there."""
        if isinstance(self.values.get(key), float):
            return self._typed(key, float, "a number")
        return self._typed(key, int, "a number")

    def flag(self, key: str, *, default: bool) -> bool:
        """The boolean under `key`, or the default."""
        value = self.flag_or_none(key)
        return default if value is None else value

    def flag_or_none(self, key: str) -> bool | None:
        """The boolean under `key`, if it is there."""
        return self._typed(key, bool, "true or false")

    def refuse(self, reason: str) -> DictionaryError:
        """The error that this configuration cannot be used, for `reason`."""
        return DictionaryError(f"{self.path}: {reason}", path=self.path)

    def _typed(self, key: str, kind: type[_T], expected: str) -> _T | None:
        value = self.values.get(key)
        if value is None:
            return None
        if not isinstance(value, kind) or (isinstance(value, bool) and kind is not bool):
            raise self.refuse(f"{key} is {value!r}; expected {expected}")
        return value

    def _needed(self, key: str, value: _T | None) -> _T:
        if value is None:
            raise self.refuse(
                f"{key} is missing; found {', '.join(sorted(self.values)) or 'nothing'}"
            )
        return value
