"""How object stores are reached: one set of AWS_* variables, for Arrow and for Lance.

Both find credentials as every AWS program does: AWS_ACCESS_KEY_ID and its kin, profiles, roles.
Of the rest, Lance reads AWS_ENDPOINT_URL and takes plain HTTP only where it is told to; Arrow reads
no endpoint at all. So what is said once is handed to both.
"""

import os
from collections.abc import Mapping
from dataclasses import dataclass

from pyarrow import fs

CONNECT_TIMEOUT_S, READ_TIMEOUT_S = 5, 10  # of one try: to connect, and between two bytes
RETRIES, RETRY_TIMEOUT_S = 3, 10
DEFAULT_REGION = "us-east-1"  # what stores that have no regions call theirs
_CREDENTIALS = (
    "AWS_ACCESS_KEY_ID",
    "AWS_SECRET_ACCESS_KEY",
    "AWS_SESSION_TOKEN",
    "AWS_PROFILE",
    "AWS_WEB_IDENTITY_TOKEN_FILE",
    "AWS_ROLE_ARN",
)
_YES = ("1", "true", "yes")


@dataclass(frozen=True, slots=True, kw_only=True)
class S3:
    """Where an S3 service is (None: Amazon's, and the region of the bucket)."""

    endpoint: str | None = None
    region: str | None = None
    anonymous: bool = False

    @classmethod
    def of(cls, variables: Mapping[str, str]) -> "S3":
        """The service that environment variables name.

        AWS_ENDPOINT_URL_S3 before AWS_ENDPOINT_URL; AWS_REGION before AWS_DEFAULT_REGION;
        AWS_SKIP_SIGNATURE=true for public buckets.
        """
        endpoint = variables.get("AWS_ENDPOINT_URL_S3") or variables.get("AWS_ENDPOINT_URL")
        region = variables.get("AWS_REGION") or variables.get("AWS_DEFAULT_REGION")
        return cls(
            endpoint=endpoint.rstrip("/") if endpoint else None,
            region=region or (DEFAULT_REGION if endpoint else None),
            anonymous=variables.get("AWS_SKIP_SIGNATURE", "").lower() in _YES,
        )

    def filesystem(self, bucket: str) -> fs.S3FileSystem:
        """The service as Arrow sees it."""
        scheme, _, host = (self.endpoint or "https://").partition("://")
        return fs.S3FileSystem(
            endpoint_override=host or None,
            scheme=scheme,
            region=self.region or fs.resolve_s3_region(bucket),
            anonymous=self.anonymous,
            connect_timeout=CONNECT_TIMEOUT_S,
            request_timeout=READ_TIMEOUT_S,
            retry_strategy=fs.AwsStandardS3RetryStrategy(max_attempts=RETRIES),
            allow_delayed_open=True,  # a small file is then one PUT: whole or not there
        )

    def lance_options(self) -> dict[str, str]:
        """The service as Lance is told of it."""
        options = {
            "connect_timeout": f"{CONNECT_TIMEOUT_S}s",
            "read_timeout": f"{READ_TIMEOUT_S}s",
            "client_max_retries": str(RETRIES),
            "client_retry_timeout": str(RETRY_TIMEOUT_S),
            "aws_skip_signature": str(self.anonymous).lower(),
        }
        if self.endpoint:
            options["aws_endpoint"] = self.endpoint
            options["allow_http"] = str(self.endpoint.startswith("http://")).lower()
        if self.region:
            options["aws_region"] = self.region
        return options


def lance_options(uri: str) -> dict[str, str] | None:
    """What Lance needs to know to reach a URI (None: nothing)."""
    return S3.of(os.environ).lance_options() if is_s3(uri) else None


def credentials(variables: Mapping[str, str]) -> int:
    """A number that is another when the environment's credentials are."""
    return hash(tuple(variables.get(name) for name in _CREDENTIALS))


def is_s3(uri: str) -> bool:
    """Whether a URI is in an S3 bucket."""
    return uri.startswith("s3://")


def s3_of(uri: str) -> tuple[fs.FileSystem, str]:
    """The S3 service of a URI as Arrow sees it, and the bucket and key."""
    path = uri.removeprefix("s3://").rstrip("/")
    return S3.of(os.environ).filesystem(path.partition("/")[0]), path
