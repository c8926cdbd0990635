"""Which language model is asked, how, and at what price."""

import os
import warnings
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

from saelake.language.amounts import Budget, Prices
from saelake.language.keys import ApiKey
from saelake.store.errors import InvalidInput, SentInClear
from saelake.store.wire.hosts import is_loopback


@dataclass(frozen=True, slots=True, kw_only=True)
class LanguageSettings:
    """A model of an OpenAI-compatible server, and how it is asked.

    `base_url` is what `/chat/completions` follows, as `http://localhost:8000/v1`. `concurrency`
    requests are under way at most. An attempt takes `timeout_s` at most; up to `max_attempts` are
    made where a server is busy, fails or does not answer, with growing waits (the eight of the
    default span half a minute) or those that it asks for. `most_failures` prompts that fail one
    after the other end the run. `budget` is for all that is asked under one run's name.

    Raises `InvalidInput`. A key that goes in clear to another machine is a warning, `SentInClear`.
    """

    base_url: str
    model: str
    key: ApiKey | None = None
    concurrency: int = 32
    timeout_s: float = 120.0
    max_attempts: int = 8
    most_failures: int = 32
    prices: Prices | None = None
    budget: Budget = field(default_factory=Budget)

    def __post_init__(self) -> None:
        object.__setattr__(self, "base_url", self.base_url.strip().rstrip("/"))
        wrong = list(self._wrong())
        if wrong:
            raise InvalidInput(" ".join(wrong))
        if self.key is not None and self._is_clear():
            warnings.warn(_in_clear(self.base_url), SentInClear, stacklevel=3)

    def _wrong(self) -> Iterator[str]:
        yield from _wrong_url(self.base_url)
        if not self.model.strip():
            yield "Name the model, as its server calls it."
        for name in ("concurrency", "max_attempts", "most_failures"):
            if getattr(self, name) < 1:
                yield f"{name} is 1 or more, not {getattr(self, name)}."
        if not self.timeout_s > 0:
            yield f"timeout_s is more than 0 seconds, not {self.timeout_s}."
        if self.budget.money is not None and self.prices is None:
            yield "A budget of money needs the prices of tokens."

    def _is_clear(self) -> bool:
        url = urlsplit(self.base_url)
        return url.scheme == "http" and not is_loopback(url.hostname or "")


def _wrong_url(base_url: str) -> Iterator[str]:
    try:
        url = urlsplit(base_url)
        _ = url.port
    except ValueError:
        yield "The server's address is no URL: write it as http://localhost:8000/v1."
        return
    if url.username is not None or url.password is not None:
        yield "A key goes into a variable or a file, not into the server's address."
    elif url.scheme not in ("http", "https") or not url.hostname or url.query or url.fragment:
        yield f"The server's address is as http://localhost:8000/v1: not {base_url!r}."


def _in_clear(base_url: str) -> str:
    return (
        f"The key goes to {base_url} in clear, for all on the way to read. Write https://, if the "
        "server has TLS; else give it TLS, or another key."
    )


def default_cache() -> Path:
    """The folder for replies: `saelake/language` in XDG_CACHE_HOME, or in ~/.cache."""
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "saelake" / "language"
