"""What an answer says of itself, in its schema's metadata."""

import json
from collections.abc import Sequence


def plural(n: int, one: str, many: str) -> str:
    """A number and what follows it: `1 document is`, `1,200 documents are`."""
    return f"{n:,} {one if n == 1 else many}"


def metadata(*, notes: Sequence[str] = (), **said: object) -> dict[bytes, bytes]:
    """Each value as text; `notes`, sentences for whoever reads the answer, as a JSON list."""
    values = {name: str(value) for name, value in said.items()}
    values["notes"] = json.dumps(list(notes), ensure_ascii=False)
    return {name.encode(): value.encode() for name, value in values.items()}
