"""Which HTTP status tells of which error."""

from collections.abc import Mapping

from saelake.store import errors
from saelake.store.errors import SaelakeError

# A class that is not named has the status of its nearest base.
STATUSES: Mapping[type[SaelakeError], int] = {
    errors.InvalidInput: 400,
    errors.CorpusError: 400,
    errors.ModelError: 400,
    errors.DictionaryError: 400,
    errors.ValueOverflow: 400,
    errors.PermissionDenied: 403,
    errors.AccessDenied: 401,
    errors.NotFound: 404,
    errors.AlreadyExists: 409,
    errors.Conflict: 409,
    errors.LimitExceeded: 429,
    errors.MissingExtra: 501,
    errors.Unavailable: 503,
    errors.DeadlineExceeded: 504,
    errors.OutOfSpace: 507,
}


def status_of(error: SaelakeError | None) -> int:
    """The HTTP status that tells of an error, or of none."""
    if error is None:
        return 200
    return next((STATUSES[kind] for kind in type(error).__mro__ if kind in STATUSES), 500)
