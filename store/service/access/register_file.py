"""The register as a file of JSON, which its owner alone may read, and which holds no token."""

import json
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any, TypeVar
from uuid import uuid4

from saelake.store.errors import InvalidInput, NotFound
from saelake.store.service.access.register import (
    CertificateGrant,
    Grant,
    Register,
    TokenGrant,
    now_utc,
)
from saelake.store.service.access.tokens import HashedToken

T = TypeVar("T")

VERSION = 1
OWNER_ALONE = 0o600


def read_register(path: Path) -> Register:
    """The register in a file. Raises `NotFound`, and `InvalidInput` where it is none."""
    try:
        text = path.expanduser().read_text()
    except FileNotFoundError as error:
        raise NotFound(
            f"There is no {path}: make it with `saelake token create`.", path=path
        ) from error
    except (OSError, UnicodeDecodeError) as error:
        raise InvalidInput(f"Cannot read the tokens in {path}.", path=path) from error
    try:
        return _register(json.loads(text))
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise InvalidInput(f"{path} is no file of `saelake token`.", path=path) from error


def change(path: Path, to: Callable[[Register], tuple[Register, T]]) -> T:
    """Let a function change the register in a file, or an empty one, and return what it gives.

    One process at a time. What has expired is left out, and nothing is written where it raises.
    Raises `InvalidInput` for a file in a lake, whose readers would read it.
    """
    path = path.expanduser()
    check_outside(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    with _alone(path.parent):
        known = read_register(path) if path.exists() else Register()
        register, result = to(known.current(now_utc()))
        _replace(path, _text(register))
    return result


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """A block that one process at a time is in; a lock on the folder leaves no file behind."""
    import fcntl  # not every system has it, and the other commands do without

    opened = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(opened, fcntl.LOCK_EX)
        yield
    finally:
        os.close(opened)


def check_outside(path: Path) -> None:
    """Raise `InvalidInput` for a file in a lake."""
    folder = path.absolute().parent
    tables = (part.suffix == ".lance" for part in (folder, *folder.parents))
    if any(tables) or any(folder.glob("*.lance")):
        raise InvalidInput(
            f"{path} would be in a lake, for all who read that: name a file elsewhere.", path=path
        )


def _replace(path: Path, text: str) -> None:
    temporary = path.with_name(f".{path.name}.{uuid4().hex}")
    try:
        made = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, OWNER_ALONE)
        with os.fdopen(made, "w") as file:
            file.write(text)
            file.flush()
            os.fsync(made)
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def _text(register: Register) -> str:
    rows = {
        "version": VERSION,
        "tokens": [
            {
                **_grant_row(entry.grant),
                "id": entry.token.id,
                "salt": entry.token.salt,
                "sha256": entry.token.digest,
            }
            for entry in register.tokens
        ],
        "certificates": [
            {**_grant_row(entry.grant), "subject": entry.subject} for entry in register.certificates
        ],
    }
    return json.dumps(rows, indent=2) + "\n"


def _grant_row(grant: Grant) -> dict[str, Any]:
    return {
        "name": grant.name,
        "right": grant.right,
        "corpora": list(grant.corpora) or None,
        "created": grant.created.isoformat(),
        "expires": None if grant.expires is None else grant.expires.isoformat(),
    }


def _register(rows: Mapping[str, Any]) -> Register:
    if rows["version"] != VERSION:
        raise ValueError("another version")
    return Register(
        tokens=tuple(_token(row) for row in rows["tokens"]),
        certificates=tuple(
            CertificateGrant(grant=_grant(row), subject=str(row["subject"]))
            for row in rows["certificates"]
        ),
    )


def _token(row: Mapping[str, Any]) -> TokenGrant:
    salt, digest = bytes.fromhex(row["salt"]), bytes.fromhex(row["sha256"])
    token = HashedToken(id=str(row["id"]), salt=salt.hex(), digest=digest.hex())
    return TokenGrant(grant=_grant(row), token=token)


def _grant(row: Mapping[str, Any]) -> Grant:
    return Grant(
        name=row["name"],
        right=row["right"],
        corpora=_corpora(row["corpora"]),
        created=_time(row["created"]),
        expires=None if row["expires"] is None else _time(row["expires"]),
    )


def _corpora(names: list[str] | None) -> tuple[str, ...]:
    if names is not None and (not isinstance(names, list) or not names):
        raise ValueError("null is all corpora, and none is no grant")
    return tuple(names or ())


def _time(text: str) -> datetime:
    time = datetime.fromisoformat(text)
    if time.tzinfo is None:
        raise ValueError("a time without a zone")
    return time
