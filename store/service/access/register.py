"""Who is known to a server: names, what they may do, and by which tokens and certificates."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

from saelake.store.errors import AlreadyExists, InvalidInput, NotFound
from saelake.store.format.schema import check_name
from saelake.store.requests.request import Right
from saelake.store.service.access.grants import RIGHTS
from saelake.store.service.access.tokens import NO_TOKEN, HashedToken, new_token, split_token
from saelake.store.service.caller import Caller

LONGEST_CALLER = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class Grant:
    """What a name may do, from when to when. `corpora` empty is all, `expires` None never."""

    name: str
    right: Right = "read"
    corpora: tuple[str, ...] = ()
    created: datetime
    expires: datetime | None = None

    def __post_init__(self) -> None:
        if not self.name.isprintable() or not 0 < len(self.name.strip()) <= LONGEST_CALLER:
            raise InvalidInput(
                f"{self.name!r} names nobody: write up to {LONGEST_CALLER} printable characters."
            )
        if self.right not in RIGHTS:
            raise InvalidInput(f"There is no right {self.right!r}: choose of {', '.join(RIGHTS)}.")
        for corpus in self.corpora:
            check_name("corpus", corpus)

    def holds(self, now: datetime) -> bool:
        """Whether it has not expired."""
        return self.expires is None or now < self.expires

    @property
    def caller(self) -> Caller:
        """Who asks by it."""
        corpora = frozenset(self.corpora) or None
        return Caller(name=self.name, right=self.right, corpora=corpora)


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenGrant:
    """A grant to whoever sends a token."""

    grant: Grant
    token: HashedToken


@dataclass(frozen=True, slots=True, kw_only=True)
class CertificateGrant:
    """A grant to whoever shows a certificate with this subject: a URI, or a common name."""

    grant: Grant
    subject: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Register:
    """All grants. Of one name there may be several tokens: one is rotated while both are good."""

    tokens: tuple[TokenGrant, ...] = ()
    certificates: tuple[CertificateGrant, ...] = ()

    def of_token(self, token: str, now: datetime) -> Caller | None:
        """Who asks by a token; None for one that is wrong, expired, revoked, or none of ours."""
        token_id, secret = split_token(token) or ("", token)
        found = next((known for known in self.tokens if known.token.id == token_id), None)
        fits = (NO_TOKEN if found is None else found.token).fits(secret)
        return found.grant.caller if found and fits and found.grant.holds(now) else None

    def of_subjects(self, subjects: Iterable[str], now: datetime) -> Caller | None:
        """Who asks by a certificate with these subjects; None where none of them is known."""
        known = {entry.subject: entry.grant for entry in self.certificates}
        found = (known[subject] for subject in subjects if subject in known)
        return next((grant.caller for grant in found if grant.holds(now)), None)

    def grants(self) -> Iterator[Grant]:
        """All, those of tokens first."""
        yield from (entry.grant for entry in self.tokens)
        yield from (entry.grant for entry in self.certificates)

    def issued(self, grant: Grant) -> tuple["Register", str]:
        """This with a token for a new name, and the token. Raises `AlreadyExists`."""
        self._check_new(grant.name)
        token, kept = new_token()
        entry = TokenGrant(grant=grant, token=kept)
        return replace(self, tokens=(*self.tokens, entry)), token

    def certified(self, grant: Grant, subject: str) -> "Register":
        """This with a certificate's subject for a new name. Raises `AlreadyExists`."""
        self._check_new(grant.name)
        if any(entry.subject == subject for entry in self.certificates):
            raise AlreadyExists(f"The subject {subject} has a grant already.", subject=subject)
        entry = CertificateGrant(grant=grant, subject=subject)
        return replace(self, certificates=(*self.certificates, entry))

    def rotated(
        self, name: str, now: datetime, overlap: timedelta, expires: datetime | None = None
    ) -> tuple["Register", str]:
        """This with another token for a name, whose others are good for the `overlap` only.

        It expires when it is told to, or after as long as the last was made for. Raises `NotFound`.
        """
        last = [entry.grant for entry in self.tokens if entry.grant.name == name][-1:]
        if not last:
            raise _unknown(name, [entry.grant for entry in self.tokens])
        (before,) = last
        if expires is None and before.expires is not None:
            expires = now + (before.expires - before.created)
        token, kept = new_token()
        entry = TokenGrant(grant=replace(before, created=now, expires=expires), token=kept)
        former = (_ending(e, now + overlap) if e.grant.name == name else e for e in self.tokens)
        return replace(self, tokens=(*former, entry)).current(now), token

    def revoked(self, name: str) -> "Register":
        """This without a name. Raises `NotFound`."""
        if all(grant.name != name for grant in self.grants()):
            raise _unknown(name, self.grants())
        return Register(
            tokens=tuple(entry for entry in self.tokens if entry.grant.name != name),
            certificates=tuple(e for e in self.certificates if e.grant.name != name),
        )

    def current(self, now: datetime) -> "Register":
        """This without what has expired."""
        return Register(
            tokens=tuple(entry for entry in self.tokens if entry.grant.holds(now)),
            certificates=tuple(e for e in self.certificates if e.grant.holds(now)),
        )

    def _check_new(self, name: str) -> None:
        if any(grant.name == name for grant in self.grants()):
            raise AlreadyExists(
                f"{name} is known already: rotate its token, or revoke it first.", name=name
            )


def now_utc() -> datetime:
    """Now, in whole seconds, as grants are dated."""
    return datetime.now(UTC).replace(microsecond=0)


def _ending(entry: TokenGrant, when: datetime) -> TokenGrant:
    expires = when if entry.grant.expires is None else min(entry.grant.expires, when)
    return replace(entry, grant=replace(entry.grant, expires=expires))


def _unknown(name: str, known: Iterable[Grant]) -> NotFound:
    names = ", ".join(dict.fromkeys(grant.name for grant in known)) or "none"
    return NotFound(f"There is no {name} here. Known: {names}.", name=name)
