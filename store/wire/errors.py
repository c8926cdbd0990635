"""Errors as gRPC statuses and back: one table, read both ways.

The status carries the message, and in its details a `google.rpc.ErrorInfo` whose reason is the
class and whose metadata is the error's data, so that a client raises what the engine raised; and a
`google.rpc.RetryInfo`, where the data has `retry_after_s`.
"""

from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import grpc
from google.protobuf import any_pb2
from google.rpc import error_details_pb2, status_pb2
from grpc_status import rpc_status

from saelake.store import errors
from saelake.store.errors import SaelakeError
from saelake.store.wire.versions import own_version

DOMAIN = "saelake"
RETRY_AFTER = "retry_after_s"  # the datum of an error that says when to ask again

# A class that is not named has the code of its nearest base. The first class of a code is what a
# client raises for a status of that code that is not ours: a proxy's, or grpc's own.
CODES: tuple[tuple[type[SaelakeError], grpc.StatusCode], ...] = (
    (errors.InvalidInput, grpc.StatusCode.INVALID_ARGUMENT),
    (errors.NotFound, grpc.StatusCode.NOT_FOUND),
    (errors.AlreadyExists, grpc.StatusCode.ALREADY_EXISTS),
    (errors.Conflict, grpc.StatusCode.ABORTED),
    (errors.Corrupt, grpc.StatusCode.DATA_LOSS),
    (errors.MissingExtra, grpc.StatusCode.UNIMPLEMENTED),
    (errors.Unavailable, grpc.StatusCode.UNAVAILABLE),
    (errors.Unavailable, grpc.StatusCode.CANCELLED),  # by a server that ends
    (errors.DeadlineExceeded, grpc.StatusCode.DEADLINE_EXCEEDED),
    (errors.PermissionDenied, grpc.StatusCode.PERMISSION_DENIED),
    (errors.AccessDenied, grpc.StatusCode.UNAUTHENTICATED),
    (errors.LimitExceeded, grpc.StatusCode.RESOURCE_EXHAUSTED),
    (errors.OutOfSpace, grpc.StatusCode.RESOURCE_EXHAUSTED),
    (errors.CorpusError, grpc.StatusCode.INVALID_ARGUMENT),
    (errors.ModelError, grpc.StatusCode.INVALID_ARGUMENT),
    (errors.DictionaryError, grpc.StatusCode.INVALID_ARGUMENT),
    (errors.ValueOverflow, grpc.StatusCode.OUT_OF_RANGE),
    (SaelakeError, grpc.StatusCode.INTERNAL),
)
CLASSES = {
    name: found
    for name, found in vars(errors).items()
    if isinstance(found, type) and issubclass(found, SaelakeError)
}


def to_status(error: SaelakeError) -> grpc.Status:
    """The status that tells a client of this error."""
    code = next(code for kind, code in CODES if isinstance(error, kind))
    info = error_details_pb2.ErrorInfo(
        reason=type(error).__name__, domain=DOMAIN, metadata=dict(error.data)
    )
    details = [_packed(info), *_retry_details(error)]
    status = status_pb2.Status(code=code.value[0], message=error.message, details=details)
    return rpc_status.to_status(status)


def _packed(message: Any) -> any_pb2.Any:
    detail = any_pb2.Any()
    detail.Pack(message)
    return detail


def _retry_details(error: SaelakeError) -> Iterator[any_pb2.Any]:
    """When to ask again, where the error says so, as proxies and clients of others read it."""
    with suppress(KeyError, ValueError, OverflowError):
        info = error_details_pb2.RetryInfo()
        info.retry_delay.FromNanoseconds(int(float(error.data[RETRY_AFTER]) * 1e9))
        yield _packed(info)


def _retry_said(status: status_pb2.Status | None) -> dict[str, object]:
    """What a status that is not ours says of when to ask again."""
    for detail in status.details if status else ():
        info = error_details_pb2.RetryInfo()
        if detail.Unpack(info):
            return {RETRY_AFTER: info.retry_delay.ToNanoseconds() / 1e9}
    return {}


def to_error(call: grpc.RpcError, server: str) -> SaelakeError:
    """The error that a failed call stands for, of the class that was raised at the other end."""
    status = rpc_status.from_call(call)
    for detail in status.details if status else ():
        info = error_details_pb2.ErrorInfo()
        if detail.Unpack(info) and info.domain == DOMAIN and info.reason in CLASSES:
            return CLASSES[info.reason](status.message, **dict(info.metadata))
    code = call.code()
    kind = next((kind for kind, known in CODES if known == code), SaelakeError)
    said = _explained(code, call.details() or "no details", server)
    return kind(said, server=server, **_retry_said(status))


def _explained(code: grpc.StatusCode, details: str, server: str) -> str:
    match code:
        case grpc.StatusCode.UNAVAILABLE:
            return (
                f"The server {server} does not answer ({details}). Is it running, and is the "
                "address right? A server with TLS needs grpcs:// in place of grpc://."
            )
        case grpc.StatusCode.DEADLINE_EXCEEDED:
            return f"The server {server} did not answer in time. Ask for less, or raise timeout_s."
        case grpc.StatusCode.RESOURCE_EXHAUSTED:
            return f"The server {server} is over a limit: {details}."
        case grpc.StatusCode.UNAUTHENTICATED | grpc.StatusCode.PERMISSION_DENIED:
            return f"The server {server} refuses access: {details}."
        case grpc.StatusCode.CANCELLED:
            return f"The server {server} ended before its answer did ({details}). Ask again."
        case grpc.StatusCode.UNIMPLEMENTED:
            return (
                f"The server {server} does not know this question ({details}): is it saelake, and "
                f"no older than this ({own_version()})? `saelake info --program` says its version."
            )
    return f"The server {server} failed: {details}."
