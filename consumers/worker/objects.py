"""Fetches the files of a task and delivers its result, by presigned URLs and within limits."""

import hashlib
import time
from pathlib import Path

import requests

from consumers.worker.courier import CONNECT_SECONDS, is_error, new_session
from consumers.worker.job import JobFailed
from consumers.worker.retry import Retry, Unreachable, answered
from consumers.worker.task import Download, Upload

READ_SECONDS = 60.0
TOTAL_SECONDS = 300.0
MAX_RESULT_BYTES = 32 * 1024 * 1024
_CHUNK_BYTES = 65_536
_WORD_BYTES = 65_536
_OK = 200


class StoreRefused(Exception):
    """The store itself said that it does not take the result."""


class _TooMuch(Exception):
    """The file has more bytes, or takes more time, than is accepted."""


class Objects:
    """Transfers for one thread at a time."""

    def __init__(self, retry: Retry | None = None) -> None:
        self._retry = retry or Retry(attempts=4)
        self._session = new_session()

    def fetch(self, download: Download, to: Path) -> None:
        """Save the file at `to`; raises JobFailed unless it has the stated SHA-256."""

        def send() -> tuple[requests.Response, str]:
            with self._session.get(
                download.url,
                timeout=(CONNECT_SECONDS, READ_SECONDS),
                allow_redirects=False,
                stream=True,
            ) as response:
                digest = _save(response, to, download.max_bytes)
                return response, digest

        try:
            response, digest = answered(send, retry=self._retry)
        except _TooMuch as error:
            raise JobFailed("input_too_large", str(error), retryable=False) from error
        except Unreachable as error:
            message = "An input could not be fetched"
            raise JobFailed("input_unavailable", message, retryable=True) from error
        if response.status_code != _OK:
            message = f"An input could not be fetched: HTTP {response.status_code}"
            raise JobFailed("input_unavailable", message, retryable=True)
        if digest != download.sha256:
            raise JobFailed("input_mismatch", "An input has another SHA-256", retryable=True)

    def deliver(self, upload: Upload, content: bytes, content_type: str) -> None:
        """Upload the result by a single try; raises Unreachable, or StoreRefused for good."""

        def send() -> tuple[requests.Response, bytes]:
            with self._send(upload, content, content_type) as response:
                return response, response.raw.read(_WORD_BYTES, decode_content=False)

        response, _ = answered(send, retry=self._retry.once(), counts=_is_of_store)
        if response.status_code >= 300:
            raise StoreRefused(f"HTTP {response.status_code}")

    def close(self) -> None:
        """Close the connections."""
        self._session.close()

    def _send(self, upload: Upload, content: bytes, content_type: str) -> requests.Response:
        timeout = (CONNECT_SECONDS, READ_SECONDS)
        if upload.fields:
            return self._session.post(
                upload.url,
                data=dict(upload.fields),
                files={"file": ("result", content, content_type)},
                timeout=timeout,
                allow_redirects=False,
                stream=True,
            )
        return self._session.put(
            upload.url,
            data=content,
            headers={"Content-Type": content_type},
            timeout=timeout,
            allow_redirects=False,
            stream=True,
        )


def _save(response: requests.Response, to: Path, max_bytes: int) -> str:
    """Write the body to a file as it comes, at most `max_bytes`; return its SHA-256."""
    digest, size = hashlib.sha256(), 0
    until = time.monotonic() + TOTAL_SECONDS
    if response.status_code != _OK:
        return ""
    with to.open("wb") as file:
        while chunk := response.raw.read1(_CHUNK_BYTES, decode_content=False):
            size += len(chunk)
            if size > max_bytes:
                raise _TooMuch(f"An input has more than {max_bytes} bytes")
            if time.monotonic() > until:
                raise _TooMuch(f"An input took more than {TOTAL_SECONDS:g} s")
            digest.update(chunk)
            file.write(chunk)
    return digest.hexdigest()


def _is_of_store(response: requests.Response, content: bytes) -> bool:
    """Tell whether the store has spoken, and not a proxy or a page to log in.

    S3 refuses in XML, our own files in our JSON; neither takes a file by sending a page.
    """
    if 200 <= response.status_code < 300:
        return not content or "html" not in response.headers.get("Content-Type", "")
    return response.status_code >= 400 and (b"<Error>" in content or is_error(content))
