"""One call as frames of HTTP/2 (RFC 9113), for what no client of grpc sends."""

DATA, HEADERS, RESET, SETTINGS, GO_AWAY = 0, 1, 3, 4, 7
END_STREAM, END_HEADERS = 1, 4
PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"


def opened(path: str, *more: tuple[bytes, bytes]) -> bytes:
    """A connection, and the headers of a call of this method."""
    sent = [
        (b":method", b"POST"),
        (b":scheme", b"http"),
        (b":path", path.encode()),
        (b":authority", b"localhost"),
        (b"content-type", b"application/grpc"),
        (b"te", b"trailers"),
        *more,
    ]
    headers = b"".join(_header(*each) for each in sent)
    return PREFACE + _frame(SETTINGS, b"", stream=0) + _frame(HEADERS, headers, END_HEADERS)


def piece(of_messages: bytes, *, is_last: bool = False) -> bytes:
    """Bytes of what the call sends: a message is 0, its length in 4 bytes, and itself."""
    return _frame(DATA, of_messages, END_STREAM if is_last else 0)


def is_over(answer: bytes) -> bool:
    """Whether the call has ended: by its last headers, by a reset, or with the connection."""
    while len(answer) >= 9:
        length, kind, flags = int.from_bytes(answer[:3]), answer[3], answer[4]
        stream = int.from_bytes(answer[5:9])
        if kind == GO_AWAY or (stream == 1 and _ends(kind, flags)):
            return True
        answer = answer[9 + length :]
    return False


def _ends(kind: int, flags: int) -> bool:
    return kind == RESET or (kind == HEADERS and bool(flags & END_STREAM))


def _frame(kind: int, payload: bytes, flags: int = 0, stream: int = 1) -> bytes:
    return len(payload).to_bytes(3) + bytes([kind, flags]) + stream.to_bytes(4) + payload


def _header(name: bytes, value: bytes) -> bytes:
    """A header as HPACK writes it literally (RFC 7541), in less than 127 bytes."""
    return b"\x00" + bytes([len(name)]) + name + bytes([len(value)]) + value
