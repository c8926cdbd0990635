"""What an answer says of itself, in its schema's metadata."""

import json
from collections.abc import Sequence


def metadata(*, notes: Sequence[str] = (), **said: object) -> dict[bytes, bytes]:
    """Each value as text; `notes`, sentences for whoever reads the answer, as a JSON list."""
    values = {name: str(value) for name, value in said.items()}
    values["notes"] = json.dumps(list(notes), ensure_ascii=False)
    return {name.encode(): value.encode() for name, value in values.items()}
