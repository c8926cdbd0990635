"""A lake behind TLS: for who has a token, and for who shows a certificate."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import saelake
from saelake.lake import Lake
from saelake.store.service.access.certificates import subject_of
from saelake.store.service.access.register import Grant, now_utc
from saelake.store.service.access.register_file import change
from tests.store.service.access.serving import issue, server
from tests.store.service.certificates import make_certificates, pair_of

ROBOT = "spiffe://example.com/robot"  # whom the certificate `robot` names


@dataclass(frozen=True)
class Protected:
    """A lake, a folder of certificates, and the file of who may read."""

    uri: str
    folder: Path
    tokens: Path
    token: str

    @contextmanager
    def by_token(self) -> Iterator[Lake]:
        with self._served({}, token=self.token) as lake:
            yield lake

    @contextmanager
    def by_certificate(self) -> Iterator[Lake]:
        mutual = {"client_ca": self.folder / "ca.pem"}
        with self._served(mutual, **pair_of(self.folder, "robot")) as lake:
            yield lake

    @contextmanager
    def _served(self, access: dict[str, Any], **shown: Any) -> Iterator[Lake]:
        """The lake as a reader has it, behind a server that takes no stranger."""
        pair = pair_of(self.folder, "server")
        with (
            server(self.uri, tokens=self.tokens, **pair, **access) as running,
            saelake.connect(running.target, ca=self.folder / "ca.pem", **shown) as lake,
        ):
            assert running.target.startswith("grpcs://")
            yield lake


def protect(uri: str, folder: Path) -> Protected:
    """New certificates, a token, and the grants of both: they may read, and no more.

    They may read all corpora: some of the suite's questions are of the whole lake.
    """
    make_certificates(folder)
    tokens = folder / "tokens.json"
    robot = Grant(name="robot", right="read", corpora=(), created=now_utc())
    change(tokens, lambda register: (register.certified(robot, subject_of(ROBOT)), None))
    return Protected(uri, folder, tokens, issue(tokens, "ana", "read"))
