"""A server of a lake of two corpora, and how clients ask it."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import grpc

import saelake
from saelake.lake import Lake
from saelake.store.requests.agreement import AgreementQuery
from saelake.store.requests.associate import AssociateQuery
from saelake.store.requests.checks import Selection
from saelake.store.requests.cluster import ClusterQuery
from saelake.store.requests.codes import CodesQuery
from saelake.store.requests.correlate import CorrelateQuery
from saelake.store.requests.diff import DiffQuery
from saelake.store.requests.document import DocumentQuery
from saelake.store.requests.embeddings import EmbeddingsQuery
from saelake.store.requests.encode import EncodeQuery
from saelake.store.requests.families import FamiliesQuery
from saelake.store.requests.features import FeaturesQuery
from saelake.store.requests.info import InfoQuery
from saelake.store.requests.jobs import JobsQuery
from saelake.store.requests.labels import LabelsQuery
from saelake.store.requests.map import MapQuery
from saelake.store.requests.match import MatchQuery
from saelake.store.requests.neighbors import NeighborsQuery
from saelake.store.requests.places import PlacesQuery
from saelake.store.requests.request import Request, Right
from saelake.store.requests.retrieve import RetrieveQuery
from saelake.store.requests.select import SelectQuery
from saelake.store.requests.shares import SharesQuery
from saelake.store.requests.similar import SimilarQuery
from saelake.store.requests.texts import TextsQuery
from saelake.store.requests.tokens import TokensQuery
from saelake.store.requests.values import ValuesQuery
from saelake.store.requests.verify import VerifyQuery
from saelake.store.requests.windows import WindowsQuery
from saelake.store.service.access.protection import Access
from saelake.store.service.access.register import Grant, now_utc
from saelake.store.service.access.register_file import change
from saelake.store.service.limits import Limits
from saelake.store.service.serve import Address, BackgroundServer, ServerSettings
from saelake.store.wire.requests import SERVICE

OPEN, SECRET = "made/random", "secret/random"

# Each question about a collection.
QUESTIONS: Mapping[str, Callable[[str], Request]] = {
    "Associate": lambda c: AssociateQuery(collection=c, columns=("label",)),
    "Cluster": lambda c: ClusterQuery(collection=c, n_clusters=2),
    "Codes": lambda c: CodesQuery(collection=c),
    "Correlate": lambda c: CorrelateQuery(a=Selection(collection=c)),
    "Diff": lambda c: DiffQuery(a=Selection(collection=c), others=(Selection(collection=c),)),
    "Document": lambda c: DocumentQuery(collection=c, doc=0),
    "Embeddings": lambda c: EmbeddingsQuery(collection=c),
    "Encode": lambda c: EncodeQuery(collection=c, texts=("rain",)),
    "Families": lambda c: FamiliesQuery(collection=c),
    "Features": lambda c: FeaturesQuery(collection=c),
    "Info": lambda c: InfoQuery(corpora=(c.partition("/")[0],)),
    "Jobs": lambda c: JobsQuery(corpora=(c.partition("/")[0],)),
    "Labels": lambda c: LabelsQuery(dictionary=c),
    "Agreement": lambda c: AgreementQuery(dictionary=c),
    "Map": lambda c: MapQuery(collection=c),
    "Match": lambda c: MatchQuery(a=c, b=c),
    "Neighbors": lambda c: NeighborsQuery(dictionary=c, feature=0),
    "Retrieve": lambda c: RetrieveQuery(collection=c, phrase="rain"),
    "Select": lambda c: SelectQuery(pool=Selection(collection=c), target=Selection(collection=c)),
    "Shares": lambda c: SharesQuery(collection=c, expression="1", by="label"),
    "Similar": lambda c: SimilarQuery(collection=c, docs=(0,)),
    "Texts": lambda c: TextsQuery(corpus=c.partition("/")[0]),
    "Tokens": lambda c: TokensQuery(collection=c, expression="1"),
    "Values": lambda c: ValuesQuery(collection=c, by="label"),
    "Verify": lambda c: VerifyQuery(collection=c),
    "Places": lambda c: PlacesQuery(collection=c, features=(0,)),
    "Windows": lambda c: WindowsQuery(collection=c, feature=0, docs=(0,), positions=(0,)),
}


def server(uri: str, *, limits: Limits | None = None, **access: Any) -> BackgroundServer:
    """A server that is protected so."""
    settings = ServerSettings(
        uri=uri,
        address=Address(port=0),
        access=Access(**access),
        limits=limits or Limits(),
    )
    return BackgroundServer(settings)


def issue(path: Path, name: str = "ana", right: Right = "read", *corpora: str) -> str:
    """A new token."""
    grant = Grant(name=name, right=right, corpora=corpora, created=now_utc())
    return change(path, lambda register: register.issued(grant))


def ask(lake: Lake, request: Request) -> Any:
    """The answer to a request."""
    return lake.transport.ask(request).read_all()


def connected(running: BackgroundServer, token: str | None = None) -> Lake:
    """The lake behind a server."""
    return saelake.connect(running.target, token=token, timeout_s=20)


def called(
    running: BackgroundServer,
    method: str,
    message: bytes = b"",
    metadata: tuple[tuple[str, str], ...] = (),
) -> grpc.Call:
    """How a call ends, of whatever bytes and headers."""
    with grpc.insecure_channel(str(running.address)) as channel:
        call = channel.unary_stream(f"/{SERVICE}/{method}")(message, metadata=metadata, timeout=20)
        try:
            for _ in call:
                pass
        except grpc.RpcError as error:
            return error
        return call
