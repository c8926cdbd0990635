"""Which trace a question is part of, where its asker traces."""

import sys

Headers = tuple[tuple[str, str], ...]


def trace_headers() -> Headers:
    """The metadata that tell a server of the trace that is current here (W3C `traceparent`).

    None where OpenTelemetry is not imported: then nothing can be current.
    """
    if "opentelemetry" not in sys.modules:
        return ()
    from opentelemetry.propagate import inject

    carrier: dict[str, str] = {}
    inject(carrier)
    return tuple(carrier.items())
