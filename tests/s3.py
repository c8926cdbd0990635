"""A local S3 server for tests: moto, which keeps objects in memory and honours If-None-Match.

moto and boto3 are imported when they are needed: most tests need neither, and they take a second.
"""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

VARIABLES = {
    "AWS_ACCESS_KEY_ID": "somebody",
    "AWS_SECRET_ACCESS_KEY": "anything",
    "AWS_REGION": "us-east-1",
    "AWS_EC2_METADATA_DISABLED": "true",  # nobody waits for a cloud that is not there
}


@contextmanager
def s3_server() -> Iterator[str]:
    """The address of a server that runs until the end."""
    from moto.server import ThreadedMotoServer

    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    try:
        host, port = server.get_host_and_port()
        yield f"http://{host}:{port}"
    finally:
        server.stop()


def client(endpoint: str) -> Any:
    """The server as Amazon's own library sees it."""
    import boto3

    return boto3.client(
        "s3",
        endpoint_url=endpoint,
        region_name=VARIABLES["AWS_REGION"],
        aws_access_key_id=VARIABLES["AWS_ACCESS_KEY_ID"],
        aws_secret_access_key=VARIABLES["AWS_SECRET_ACCESS_KEY"],
    )


def keys(endpoint: str, bucket: str) -> list[str]:
    """The keys in a bucket."""
    pages = client(endpoint).get_paginator("list_objects_v2").paginate(Bucket=bucket)
    return [found["Key"] for page in pages for found in page.get("Contents", [])]
