"""A lake behind TLS: for who has a token, and for who shows a certificate."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import saelake
from saelake.lake import Lake
from saelake.store.requests.request import Right
from saelake.store.service.access.certificates import subject_of
from saelake.store.service.access.protection import Access
from saelake.store.service.access.register import Grant, now_utc
from saelake.store.service.access.register_file import change
from saelake.store.service.changes import Allowed
from saelake.store.service.serve import Address, BackgroundServer, ServerSettings
from saelake.texts import model_texts
from tests.store.service.access.serving import issue
from tests.store.service.certificates import make_certificates, pair_of

ROBOT = "spiffe://example.com/robot"  # whom the certificate `robot` names


@dataclass(frozen=True)
class Protected:
    """A folder of certificates, and the file of who may ask."""

    folder: Path
    tokens: Path
    token: str

    @contextmanager
    def by_token(self, uri: str, allowed: Allowed) -> Iterator[Lake]:
        with self._served(uri, allowed, {}, token=self.token) as lake:
            yield lake

    @contextmanager
    def by_certificate(self, uri: str, allowed: Allowed) -> Iterator[Lake]:
        mutual = {"client_ca": self.folder / "ca.pem"}
        with self._served(uri, allowed, mutual, **pair_of(self.folder, "robot")) as lake:
            yield lake

    @contextmanager
    def _served(
        self, uri: str, allowed: Allowed, access: dict[str, Any], **shown: Any
    ) -> Iterator[Lake]:
        """The lake behind a server that takes no stranger."""
        pair = pair_of(self.folder, "server")
        settings = ServerSettings(
            uri=uri,
            address=Address(port=0),
            access=Access(tokens=self.tokens, **pair, **access),
            texts=model_texts(),
            allowed=allowed,
        )
        with (
            BackgroundServer(settings) as running,
            saelake.connect(running.target, ca=self.folder / "ca.pem", **shown) as lake,
        ):
            assert running.target.startswith("grpcs://")
            yield lake


def protect(folder: Path, right: Right) -> Protected:
    """New certificates, a token, and the grants of both: they have this right, and no more.

    They may ask of all corpora: some of the suite's questions are of the whole lake.
    """
    make_certificates(folder)
    tokens = folder / "tokens.json"
    robot = Grant(name="robot", right=right, corpora=(), created=now_utc())
    change(tokens, lambda register: (register.certified(robot, subject_of(ROBOT)), None))
    return Protected(folder, tokens, issue(tokens, "ana", right))
