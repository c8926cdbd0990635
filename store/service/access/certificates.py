"""Who a client's certificate is of, as TLS has verified it."""

from collections.abc import Iterable, Iterator, Mapping

AuthContext = Mapping[str, Iterable[bytes]]


def subjects(context: AuthContext) -> list[str]:
    """The URIs of a certificate, then its common name as `CN=…`; none without a certificate."""
    return [*_texts(context, "peer_uri"), *(f"CN={n}" for n in _texts(context, "x509_common_name"))]


def subject_of(text: str) -> str:
    """A subject as people write it: a URI, a name, or `CN=` and a name."""
    text = text.strip()
    return text if "://" in text or text.startswith("CN=") else f"CN={text}"


def _texts(context: AuthContext, key: str) -> Iterator[str]:
    return (value.decode(errors="replace") for value in context.get(key, ()))
