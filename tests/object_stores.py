"""Servers for the tests of object storage: S3's wire protocol by moto, and our own door."""

import re
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from uuid import uuid4

import boto3
import uvicorn

from api.body_limit import BodyLimit
from api.threads import ThreadedHandler
from core.storage.s3 import S3Store

START_SECONDS = 30


@contextmanager
def s3_server() -> Iterator[str]:
    """Run moto's server on a free port; yields its URL. It checks no signature or limit."""
    process = subprocess.Popen(
        [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", "0"],
        stderr=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        text=True,
    )
    assert process.stderr is not None
    try:
        for line in process.stderr:
            if found := re.search(r"Running on (http://127\.0\.0\.1:\d+)", line):
                drain = threading.Thread(target=process.stderr.read, daemon=True)
                drain.start()
                yield found[1]
                return
        raise AssertionError("moto's server did not start")
    finally:
        process.terminate()
        process.wait(START_SECONDS)
        process.stderr.close()


def s3_store(url: str) -> S3Store:
    """Return a store on the server at `url`, in a new bucket."""
    bucket = f"objects-{uuid4()}"
    access = {"aws_access_key_id": "key", "aws_secret_access_key": "secret"}
    boto3.client("s3", endpoint_url=url, region_name="us-east-1", **access).create_bucket(
        Bucket=bucket
    )
    return S3Store(
        bucket=bucket,
        endpoint_url=url,
        access_key_id="key",
        secret_access_key="secret",
        region="us-east-1",
    )


def closed_port() -> int:
    """Return a port on which nobody listens."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def web_server() -> Iterator[str]:
    """Run our web application by uvicorn in a thread of this process; yields its URL.

    Its request threads are its own: those of an earlier test keep that test's connections.
    """
    application = BodyLimit(ThreadedHandler())
    config = uvicorn.Config(application, port=0, ws="none", lifespan="off", log_level="warning")
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run)
    thread.start()
    try:
        deadline = time.monotonic() + START_SECONDS
        while not server.started:
            assert time.monotonic() < deadline, "the web server did not start"
            time.sleep(0.01)
        yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join(START_SECONDS)
