"""What an answer must say of collections that hold only a sample of their tokens."""

from collections.abc import Iterator, Mapping

import pyarrow as pa

from saelake.store.requests.named import places
from saelake.store.requests.request import Request
from saelake.store.snapshot.session import Session

SAMPLE = "sample"  # the key in the metadata of an answer's schema
UNSAMPLED = ("verify", "info", "encode")  # of tables, or of all tokens of a text


def sample_said(session: Session, request: Request) -> str | None:
    """Of which samples of tokens an answer is; None where it is of all tokens."""
    if request.question in UNSAMPLED or getattr(request, "by", None) == "decoder":
        return None
    names = dict.fromkeys(place for place in places(request) if "/" in place)
    said = [text for name in names if (text := _share(session, name)) is not None]
    if not said:
        return None
    return "; ".join([*said, *_limits(request)])


def _share(session: Session, name: str) -> str | None:
    held = session.collection(name).codes.held
    if held.are_all:
        return None
    if held.is_known:
        return f"of a {held} sample of the tokens of {name}"
    return f"of about {held} of the tokens of {name}, of which it is not known which"


def _limits(request: Request) -> Iterator[str]:
    """What a sample cannot tell of this question."""
    if getattr(request, "scope", "token") != "token":
        yield "features near each other are looked for among the sampled tokens only"
    if getattr(request, "adjacent", None) == "drop":
        yield "neighbouring tokens are compared only where both were sampled"


def marked(answer: pa.RecordBatchReader, said: Mapping[str, str | None]) -> pa.RecordBatchReader:
    """The answer, whose schema says these of it."""
    known = {name: text for name, text in said.items() if text is not None}
    schema = answer.schema.with_metadata({**(answer.schema.metadata or {}), **known})
    batches = (batch.replace_schema_metadata(schema.metadata) for batch in answer)
    return pa.RecordBatchReader.from_batches(schema, batches)
