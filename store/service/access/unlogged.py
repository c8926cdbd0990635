"""What grpc would log of headers, and must not: tokens are among them."""

import logging
from functools import cache

LOGGER, SAID = "grpc._cython.cygrpc", "Invalid encoding on"


class _NoHeader(logging.Filter):
    def filter(self, record: logging.LogRecord) -> bool:
        return not str(record.msg).startswith(SAID)


@cache
def keep_headers_unlogged() -> None:
    """Let grpc log no header whose bytes are not UTF-8, which it does with the whole header."""
    logging.getLogger(LOGGER).addFilter(_NoHeader())
