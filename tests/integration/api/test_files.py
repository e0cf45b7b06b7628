"""The door of the local storage: what a token allows, and nothing else."""

import hashlib
import http.client
import json
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import requests
from pytest_django import Settings

from core.storage import LocalStore, UploadForm, local_store
from core.storage.links import Link, sign
from tests.object_stores import web_server

WAIT_SECONDS = 10
PICTURE = b"\x89PNG\r\n\x1a\n and more"


@pytest.fixture(scope="module")
def web_url() -> Iterator[str]:
    with web_server() as url:
        yield url


@pytest.fixture
def objects(settings: Settings, tmp_path: Path, web_url: str) -> LocalStore:
    settings.S3_BUCKET = settings.S3_ENDPOINT_URL = ""
    settings.S3_ACCESS_KEY_ID = settings.S3_SECRET_ACCESS_KEY = ""
    settings.STATE_DIR = tmp_path
    settings.PUBLIC_URL = web_url
    return local_store()


@pytest.fixture
def form(objects: LocalStore) -> UploadForm:
    return objects.upload_form(
        "uploads/a", max_bytes=100, content_type="image/png", expires_seconds=60
    )


def code(answer: requests.Response) -> tuple[int, str]:
    """Return status and code of a refusal in the one error shape."""
    error = answer.json()["error"]
    assert set(error) == {"code", "message", "details", "retryable", "request_id"}
    return answer.status_code, error["code"]


def post(form: UploadForm, data: bytes, field: str = "file") -> requests.Response:
    return requests.post(
        form["url"], data=form["fields"], files={field: data}, timeout=WAIT_SECONDS
    )


def put(form: UploadForm, data: bytes, content_type: str = "image/png") -> requests.Response:
    headers = {"Content-Type": content_type}
    return requests.put(form["url"], data=data, headers=headers, timeout=WAIT_SECONDS)


def url_of(objects: LocalStore, link: Link) -> str:
    return objects._url(link)


def test_a_download_is_safe_to_show(objects: LocalStore) -> None:
    objects.keep("results/a", PICTURE, "image/png")
    url = objects.download_url("results/a", expires_seconds=60)
    answer = requests.get(url, timeout=WAIT_SECONDS)
    assert answer.content == PICTURE
    assert answer.headers["Content-Type"] == "image/png"
    assert answer.headers["Content-Disposition"] == "inline"
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert answer.headers["Content-Security-Policy"] == "default-src 'none'; sandbox"
    assert answer.headers["Cache-Control"] == "private, max-age=300"
    assert answer.headers["ETag"] == f'"{hashlib.sha256(PICTURE).hexdigest()}"'


def test_a_known_etag_gets_no_body(objects: LocalStore) -> None:
    objects.keep("results/a", PICTURE, "image/png")
    url = objects.download_url("results/a", expires_seconds=60)
    etag = requests.head(url, timeout=WAIT_SECONDS).headers["ETag"]
    answer = requests.get(url, headers={"If-None-Match": etag}, timeout=WAIT_SECONDS)
    assert (answer.status_code, answer.content) == (304, b"")


@pytest.mark.parametrize(
    ("data", "content_type", "disposition"),
    [
        (b"<script>alert(1)</script>", "application/octet-stream", "attachment"),
        (b"\xff\xd8\xff\xe0", "image/jpeg", "inline"),
    ],
)
def test_the_type_is_told_by_the_content(
    objects: LocalStore, data: bytes, content_type: str, disposition: str
) -> None:
    """A page uploaded as a picture is never shown as a page."""
    objects.put("uploads/a", data, "image/png")
    url = objects.download_url("uploads/a", expires_seconds=60)
    answer = requests.get(url, timeout=WAIT_SECONDS)
    assert answer.headers["Content-Type"] == content_type
    assert answer.headers["Content-Disposition"] == disposition


def test_the_door_stands_under_api_too(objects: LocalStore, form: UploadForm) -> None:
    form["url"] = form["url"].replace("/files/", "/api/files/")
    assert post(form, PICTURE).status_code == 204
    assert objects.read("uploads/a", 100) == PICTURE


def test_a_raw_put_uploads_too(objects: LocalStore, form: UploadForm) -> None:
    answer = put(form, PICTURE)
    assert (answer.status_code, answer.content) == (204, b"")
    assert answer.headers["ETag"] == f'"{hashlib.sha256(PICTURE).hexdigest()}"'
    assert objects.read("uploads/a", 100) == PICTURE


def test_a_put_in_chunks_of_unknown_length_uploads_too(
    objects: LocalStore, form: UploadForm
) -> None:
    headers = {"Content-Type": "image/png"}
    answer = requests.put(
        form["url"], data=iter([b"one", b"two"]), headers=headers, timeout=WAIT_SECONDS
    )
    assert answer.status_code == 204
    assert objects.read("uploads/a", 100) == b"onetwo"


@pytest.mark.parametrize("send", [post, put])
def test_the_limit_is_met_exactly(objects: LocalStore, form: UploadForm, send: type) -> None:
    assert send(form, b"x" * 100).status_code == 204
    assert code(send(form, b"y" * 101)) == (413, "too_large")
    assert objects.read("uploads/a", 100) == b"x" * 100


def test_a_body_in_chunks_beyond_the_limit_is_refused(
    objects: LocalStore, form: UploadForm
) -> None:
    headers = {"Content-Type": "image/png"}
    answer = requests.put(
        form["url"], data=iter([b"x" * 60] * 2), headers=headers, timeout=WAIT_SECONDS
    )
    assert code(answer) == (413, "too_large")
    assert objects.head("uploads/a") is None


def test_a_form_that_announces_too_much_is_refused(form: UploadForm) -> None:
    assert code(post(form, b"x" * 200_000)) == (413, "too_large")


def test_a_refused_upload_leaves_no_draft(objects: LocalStore, form: UploadForm) -> None:
    post(form, b"x" * 101)
    put(form, b"x" * 10, "text/html")
    assert list((objects.root / ".drafts").iterdir()) == []


def test_an_expired_token_is_refused(objects: LocalStore) -> None:
    objects.keep("results/a", PICTURE, "image/png")
    reading = url_of(objects, Link("get", "results/a", 1))
    writing: UploadForm = {
        "url": url_of(objects, Link("put", "uploads/a", 1, 100, "image/png")),
        "fields": {"Content-Type": "image/png"},
    }
    assert code(requests.get(reading, timeout=WAIT_SECONDS)) == (403, "link_expired")
    assert code(post(writing, PICTURE)) == (403, "link_expired")
    assert code(put(writing, PICTURE)) == (403, "link_expired")
    assert objects.head("uploads/a") is None


def test_a_token_for_reading_does_not_write_nor_the_other_way(
    objects: LocalStore, form: UploadForm
) -> None:
    """G6: who may fetch a result may not replace it."""
    objects.keep("results/a", PICTURE, "image/png")
    reading = objects.download_url("results/a", expires_seconds=60)
    as_form: UploadForm = {"url": reading, "fields": form["fields"]}
    assert code(put(as_form, b"other")) == (403, "link_invalid")
    assert code(post(as_form, b"other")) == (403, "link_invalid")
    assert code(requests.get(form["url"], timeout=WAIT_SECONDS)) == (403, "link_invalid")
    assert objects.read("results/a", 100) == PICTURE


@pytest.mark.parametrize("token", ["x", "a.b", "..", "%2e%2e%2fsecrets", "%00", "a" * 4_000])
def test_a_token_that_we_did_not_make_is_refused(objects: LocalStore, token: str) -> None:
    parts = urlsplit(objects._public_url)
    connection = http.client.HTTPConnection(str(parts.hostname), parts.port, timeout=WAIT_SECONDS)
    connection.request("GET", f"/files/{token}")
    assert connection.getresponse().status in {403, 404}
    connection.close()


def test_a_token_of_another_installation_is_refused(objects: LocalStore, web_url: str) -> None:
    token = sign(Link("get", "results/a", 2**40), b"another secret")
    answer = requests.get(f"{web_url}/files/{token}", timeout=WAIT_SECONDS)
    assert code(answer) == (403, "link_invalid")


def test_a_missing_object_answers_404(objects: LocalStore) -> None:
    url = objects.download_url("results/none", expires_seconds=60)
    assert code(requests.get(url, timeout=WAIT_SECONDS)) == (404, "not_found")


def test_other_content_than_announced_is_refused(objects: LocalStore) -> None:
    form = objects.upload_form(
        "uploads/a",
        max_bytes=100,
        content_type="image/png",
        expires_seconds=60,
        sha256=hashlib.sha256(PICTURE).hexdigest(),
    )
    assert code(post(form, b"other")) == (422, "content_differs")
    assert code(put(form, b"other")) == (422, "content_differs")
    assert objects.head("uploads/a") is None
    assert put(form, PICTURE).status_code == 204


@pytest.mark.parametrize("send", [post, put])
def test_an_empty_file_is_refused(objects: LocalStore, form: UploadForm, send: type) -> None:
    assert code(send(form, b""))[0] in {400, 422}
    assert objects.head("uploads/a") is None


def test_another_content_type_is_refused(objects: LocalStore, form: UploadForm) -> None:
    assert code(put(form, PICTURE, "text/html")) == (415, "unsupported_media_type")
    form["fields"] = {"Content-Type": "text/html"}
    assert code(post(form, PICTURE)) == (415, "unsupported_media_type")
    form["fields"] = {}
    assert code(post(form, PICTURE)) == (415, "unsupported_media_type")
    assert objects.head("uploads/a") is None


def test_a_post_that_is_no_form_is_refused(form: UploadForm) -> None:
    answer = requests.post(form["url"], json={"file": "x"}, timeout=WAIT_SECONDS)
    assert code(answer) == (415, "unsupported_media_type")


def test_a_file_in_another_field_is_refused(form: UploadForm) -> None:
    assert code(post(form, PICTURE, field="picture")) == (400, "upload_invalid")


def test_a_second_file_is_refused(objects: LocalStore, form: UploadForm) -> None:
    two = [("file", PICTURE), ("file", b"other")]
    answer = requests.post(form["url"], data=form["fields"], files=two, timeout=WAIT_SECONDS)
    assert code(answer) == (400, "upload_invalid")
    assert objects.head("uploads/a") is None


def test_a_form_without_a_file_is_refused(form: UploadForm) -> None:
    nothing = [("Content-Type", (None, "image/png"))]
    answer = requests.post(form["url"], files=nothing, timeout=WAIT_SECONDS)
    assert code(answer) == (400, "upload_invalid")


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"no form at all",
        b'--b\r\nContent-Disposition: form-data; name="file"; filename="f"\r\n\r\ncut',
        b'--b\r\nContent-Disposition: form-data; name="file"; filename="f"\r\n'
        b"Content-Transfer-Encoding: base64\r\n\r\n!\r\n--b--\r\n",
    ],
    ids=["empty", "text", "cut", "not_base64"],
)
def test_a_broken_form_is_refused(objects: LocalStore, form: UploadForm, body: bytes) -> None:
    headers = {"Content-Type": "multipart/form-data; boundary=b"}
    answer = requests.post(form["url"], data=body, headers=headers, timeout=WAIT_SECONDS)
    assert code(answer) == (400, "upload_invalid")
    assert objects.head("uploads/a") is None


def test_a_form_of_too_many_fields_is_refused(objects: LocalStore) -> None:
    form = objects.upload_form(
        "uploads/a", max_bytes=100_000, content_type="image/png", expires_seconds=60
    )
    field = b'--b\r\nContent-Disposition: form-data; name="x"\r\n\r\ny\r\n'
    headers = {"Content-Type": "multipart/form-data; boundary=b"}
    answer = requests.post(form["url"], data=field * 1_100, headers=headers, timeout=WAIT_SECONDS)
    assert code(answer) == (400, "upload_invalid")


def test_a_body_beyond_the_limit_is_not_taken_in(form: UploadForm) -> None:
    """The answer comes while the rest of the body is still to be sent."""
    parts = urlsplit(form["url"])
    for header, first in (("Content-Length", b""), ("Transfer-Encoding", b"5000\r\n")):
        connection = http.client.HTTPConnection(
            str(parts.hostname), parts.port, timeout=WAIT_SECONDS
        )
        connection.putrequest("PUT", parts.path)
        connection.putheader(header, "chunked" if first else str(10**12))
        connection.endheaders()
        connection.send(first + b"x" * 0x5000)
        answer = connection.getresponse()
        assert answer.status == 413
        assert json.loads(answer.read())["error"]["code"] == "too_large"
        connection.close()


def test_a_form_without_boundary_is_refused(form: UploadForm) -> None:
    headers = {"Content-Type": "multipart/form-data"}
    answer = requests.post(form["url"], data=b"x", headers=headers, timeout=WAIT_SECONDS)
    assert code(answer) == (400, "upload_invalid")


def test_an_upload_cut_in_the_middle_leaves_nothing(objects: LocalStore, form: UploadForm) -> None:
    """G12: an object is whole or absent."""
    parts = urlsplit(form["url"])
    connection = http.client.HTTPConnection(str(parts.hostname), parts.port, timeout=WAIT_SECONDS)
    connection.putrequest("PUT", parts.path)
    connection.putheader("Content-Type", "image/png")
    connection.putheader("Content-Length", "100")
    connection.endheaders(b"half")
    connection.close()
    assert put(form, PICTURE).status_code == 204
    assert objects.read("uploads/a", 100) == PICTURE


def test_a_cookie_or_a_key_opens_nothing(objects: LocalStore, web_url: str) -> None:
    """G13: nothing but the token opens the door."""
    objects.keep("results/a", PICTURE, "image/png")
    answer = requests.get(
        f"{web_url}/files/results/a", headers={"Authorization": "Bearer x"}, timeout=WAIT_SECONDS
    )
    assert answer.status_code == 404


def test_other_methods_are_refused(objects: LocalStore, form: UploadForm) -> None:
    assert code(requests.delete(form["url"], timeout=WAIT_SECONDS)) == (405, "method_not_allowed")


def test_the_door_is_closed_where_s3_is_used(
    objects: LocalStore, settings: Settings, form: UploadForm
) -> None:
    settings.S3_BUCKET = "objects"
    assert code(put(form, PICTURE)) == (403, "link_invalid")
