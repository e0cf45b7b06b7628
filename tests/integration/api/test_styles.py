"""`/api/styles/`: styles, their training images, and training them (design sections 8 and 10)."""

import hashlib
from collections.abc import Callable
from typing import Any
from urllib.parse import urlencode
from uuid import uuid4

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client

from core.models import Role
from core.storage import store
from projections.follow import catch_up
from tests.callers import Caller, call, code, faults
from tests.pictures import picture

People = Callable[..., Caller]
STYLE = {"name": "겨울 숲 ❄", "description": "Cold.\nQuiet.", "generation_cost_tokens": 150}


@pytest.fixture
def ada(person: People) -> Caller:
    return person("ada", Role.ARTIST)


def draft(caller: Caller, **changes: Any) -> dict[str, Any]:
    response = caller("POST", "/api/styles/", STYLE | changes)
    assert response.status_code == 201, response.content
    style: dict[str, Any] = response.json()
    return style


def send_files(caller: Caller, path: str, field: str, files: list[bytes], **data: Any) -> Any:
    uploads = [SimpleUploadedFile(f"{n}.txt", file) for n, file in enumerate(files)]
    headers = {"Authorization": f"Bearer {caller.key}"}
    return Client().post(path, {field: uploads, **data}, headers=headers)


def add_images(caller: Caller, style_id: str, count: int, first: int = 0) -> Any:
    files = [picture(first + number) for number in range(count)]
    return send_files(caller, f"/api/styles/{style_id}/images/", "images", files)


def train(caller: Caller, style_id: str, key: str = "t-1", body: Any = None) -> Any:
    headers = {"Idempotency-Key": key}
    return caller("POST", f"/api/styles/{style_id}/train/", body or {}, headers=headers)


def fund(person: People, caller: Caller, amount: int) -> None:
    given = {"user_id": str(caller.user.id), "amount": amount, "colour": "paid"}
    operator = person("olga", Role.OPERATOR)
    operator("POST", "/api/tokens/grants/", given, headers={"Idempotency-Key": "fund"})


class TestDrafts:
    def test_a_draft_shows_at_once_to_its_artist_and_to_nobody_else(
        self, ada: Caller, person: People
    ) -> None:
        """G13."""
        style = draft(ada)

        assert style | {"id": 0, "created_at": 0, "updated_at": 0} == STYLE | {
            "id": 0,
            "training_status": "pending",
            "is_active": True,
            "artist_id": str(ada.user.id),
            "artist_name": "ada",
            "image_count": 0,
            "tags": [],
            "created_at": 0,
            "updated_at": 0,
        }
        path = f"/api/styles/{style['id']}/"
        assert ada("GET", path).json() == style
        assert person("eve", Role.ARTIST)("GET", path).status_code == 404
        assert call("GET", path).status_code == 404
        catch_up()
        assert ada("GET", path).json() == style
        assert ada("GET", "/api/styles/mine/").json()["results"] == [style]
        assert call("GET", "/api/styles/").json()["results"] == []

    def test_only_artists_draft(self, person: People) -> None:
        """G13."""
        response = person("ben")("POST", "/api/styles/", STYLE)
        assert code(response) == (403, "artist_only")

    @pytest.mark.parametrize("price", [9, 10_001, 0, -10, "150", 150.0, True, None])
    def test_a_price_outside_its_range_is_refused(self, ada: Caller, price: object) -> None:
        response = ada("POST", "/api/styles/", STYLE | {"generation_cost_tokens": price})
        assert "generation_cost_tokens" in faults(response)

    @pytest.mark.parametrize(
        ("field", "value"),
        [
            ("name", ""),
            ("name", "x" * 201),
            ("name", "a\0b"),
            ("name", 7),
            ("description", "x" * 5_001),
            ("tags", ["a b"]),
            ("tags", ["x"] * 11),
        ],
    )
    def test_a_wild_text_is_refused(self, ada: Caller, field: str, value: object) -> None:
        found = faults(ada("POST", "/api/styles/", STYLE | {field: value}))
        assert any(name.startswith(field) for name in found)

    def test_a_change_is_shown_and_a_stranger_cannot_make_one(
        self, ada: Caller, person: People
    ) -> None:
        """G13."""
        path = f"/api/styles/{draft(ada)['id']}/"
        changed = ada("PATCH", path, {"name": "Frühling", "generation_cost_tokens": 10})
        assert (changed.json()["name"], changed.json()["generation_cost_tokens"]) == (
            "Frühling",
            10,
        )
        eve = person("eve", Role.ARTIST)
        assert eve("PATCH", path, {"name": "mine"}).status_code == 404
        assert eve("DELETE", path).status_code == 404
        catch_up()
        assert ada("GET", path).json()["name"] == "Frühling"

    def test_deleting_deactivates_and_can_be_taken_back(self, ada: Caller) -> None:
        path = f"/api/styles/{draft(ada)['id']}/"
        assert ada("DELETE", path).status_code == 204
        catch_up()
        assert ada("GET", path).json()["is_active"] is False
        assert ada("PATCH", path, {"is_active": True}).json()["is_active"] is True

    def test_a_description_can_be_taken_away(self, ada: Caller) -> None:
        path = f"/api/styles/{draft(ada)['id']}/"
        assert ada("PATCH", path, {"name": "Ink"}).json()["description"] == STYLE["description"]
        assert ada("PATCH", path, {"description": ""}).json()["description"] == ""
        catch_up()
        assert ada("GET", path).json()["description"] == ""

    @pytest.mark.parametrize("is_active", ["no", "true", 0, 1, None])
    def test_what_is_no_boolean_switches_nothing(self, ada: Caller, is_active: Any) -> None:
        path = f"/api/styles/{draft(ada)['id']}/"
        assert "is_active" in faults(ada("PATCH", path, {"is_active": is_active}))
        assert ada("GET", path).json()["is_active"] is True

    @pytest.mark.parametrize("tag", [5, True, " ink ", "a b", "", "i" * 31, "\x00", "#ink"])
    def test_a_tag_of_another_form_is_refused(self, ada: Caller, tag: Any) -> None:
        assert "tags.1" in faults(ada("POST", "/api/styles/", STYLE | {"tags": ["겨울", tag]}))
        if isinstance(tag, str):
            wanted = call("GET", f"/api/styles/?{urlencode({'tag': tag})}")
            assert faults(wanted) == {"tag": ["invalid_tag"]}

    def test_a_read_waits_for_what_was_written(
        self, ada: Caller, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("api.positions.WAIT_SECONDS", 0.05)
        written = ada("POST", "/api/styles/", STYLE)
        path, told = f"/api/styles/{written.json()['id']}/", written["Ledger-Position"]
        headers = {"Ledger-Position": told}
        paths = (
            "/api/styles/", "/api/styles/mine/", path, f"{path}images/", f"{path}progress/",
            "/api/tokens/transactions/",
        )  # fmt: skip
        for one in paths:
            assert code(ada("GET", one, headers=headers)) == (503, "projection_behind")
        catch_up()
        for one in paths:
            assert ada("GET", one, headers=headers).status_code == 200

    def test_fields_are_chosen_and_unknown_ones_refused(self, ada: Caller) -> None:
        path = f"/api/styles/{draft(ada)['id']}/"
        assert set(ada("GET", path + "?fields=id,name").json()) == {"id", "name"}
        assert faults(ada("GET", path + "?fields=id,secret")) == {"fields": ["unknown_field"]}

    def test_pages_go_on_where_they_ended(self, ada: Caller) -> None:
        drafted = [draft(ada, name=f"style {number}")["id"] for number in range(5)]
        catch_up()
        seen, path = [], "/api/styles/mine/?limit=2"
        cursor = ""
        while cursor is not None:
            page = ada("GET", path + (f"&cursor={cursor}" if cursor else "")).json()
            seen += [style["id"] for style in page["results"]]
            cursor = page["next_cursor"]
        assert seen == drafted[::-1]
        assert faults(ada("GET", path + "&cursor=forged")) == {"cursor": ["invalid_cursor"]}


class TestImages:
    def test_pictures_come_with_the_draft(self, ada: Caller) -> None:
        files = [picture(n, kind="JPEG") for n in range(3)]
        response = send_files(ada, "/api/styles/", "training_images", files, name="With pictures")
        assert response.status_code == 201, response.content
        assert response.json()["image_count"] == 3

    def test_pictures_are_listed_with_links_that_work(self, ada: Caller) -> None:
        style_id = draft(ada)["id"]
        added = add_images(ada, style_id, 2).json()["results"]
        catch_up()

        listed = ada("GET", f"/api/styles/{style_id}/images/").json()["results"]

        assert [one["sha256"] for one in listed] == [
            hashlib.sha256(picture(n)).hexdigest() for n in range(2)
        ]
        assert {one["id"] for one in listed} == {one["id"] for one in added}
        fetched = Client().get(listed[0]["url"].partition("8000")[2])
        assert fetched.content == picture(0)

    @pytest.mark.parametrize(
        ("file", "refusal"),
        [
            (b"", "not_an_image"),
            (b"GIF89a" + bytes(100), "unsupported_format"),
            (b"<svg/>", "not_an_image"),
            (picture(1, size=(511, 512)), "too_small"),
            (picture(1)[:-40], "undecodable"),
            (picture(1) + bytes(10 * 2**20), "too_large"),
        ],
    )
    def test_what_is_no_picture_is_refused_and_nothing_is_added(
        self, ada: Caller, file: bytes, refusal: str
    ) -> None:
        style_id = draft(ada)["id"]
        path = f"/api/styles/{style_id}/images/"

        response = send_files(ada, path, "images", [picture(7), file])

        assert refusal in str(faults(response))
        catch_up()
        assert ada("GET", path).json()["results"] == []

    def test_the_same_picture_is_added_once(self, ada: Caller) -> None:
        style_id = draft(ada)["id"]
        path = f"/api/styles/{style_id}/images/"
        twice = send_files(ada, path, "images", [picture(1), picture(1)])
        assert faults(twice) == {"images.1": ["duplicate_image"]}
        assert add_images(ada, style_id, 1).status_code == 201
        assert code(add_images(ada, style_id, 1)) == (409, "duplicate_image")

    def test_pictures_sent_again_get_the_first_answer(self, ada: Caller) -> None:
        """G7: also those after the first, and those that the style had already."""
        style_id = draft(ada)["id"]
        path, headers = f"/api/styles/{style_id}/images/", {"HTTP_IDEMPOTENCY_KEY": "i-1"}
        add_images(ada, style_id, 1, first=2)

        def send(files: list[bytes]) -> Any:
            uploads = [SimpleUploadedFile("a.png", file) for file in files]
            headers["HTTP_AUTHORIZATION"] = f"Bearer {ada.key}"
            return Client().post(path, {"images": uploads}, **headers)

        first, again = (send([picture(n) for n in range(3)]) for _ in range(2))

        assert [one["code"] for one in first.json()["refused"]] == ["duplicate_image"]
        assert again["Idempotent-Replayed"] == "true"
        assert [one["id"] for one in again.json()["results"]] == [
            one["id"] for one in first.json()["results"]
        ]
        assert again.json()["refused"] == first.json()["refused"]
        assert code(send([picture(9)])) == (422, "idempotency_key_reused")

    def test_more_than_a_hundred_are_refused(self, ada: Caller) -> None:
        style_id = draft(ada)["id"]
        assert add_images(ada, style_id, 100).status_code == 201
        assert code(add_images(ada, style_id, 1, first=100)) == (422, "too_many_images")

    def test_a_picture_is_removed(self, ada: Caller, person: People) -> None:
        style_id = draft(ada)["id"]
        (added,) = add_images(ada, style_id, 1).json()["results"]
        path = f"/api/styles/{style_id}/images/{added['id']}/"
        assert person("eve", Role.ARTIST)("DELETE", path).status_code == 404
        assert ada("DELETE", path).status_code == 204
        assert code(ada("DELETE", path)) == (404, "image_not_found")

    def test_a_presigned_upload_counts_once_it_is_confirmed(self, ada: Caller) -> None:
        style_id, data = draft(ada)["id"], picture(3)
        asked = {
            "filename": "a.png",
            "bytes": len(data),
            "sha256": hashlib.sha256(data).hexdigest(),
        }
        offer = ada("POST", f"/api/styles/{style_id}/images/", asked).json()
        assert code(ada("POST", offer["confirm_url"])) == (409, "upload_missing")
        form = {**offer["upload"]["fields"], "file": SimpleUploadedFile("a.png", data)}
        uploaded = Client().post(offer["upload"]["url"].partition("8000")[2], form)
        assert uploaded.status_code < 300, uploaded.content

        confirmed = ada("POST", offer["confirm_url"])

        assert confirmed.status_code == 201, confirmed.content
        assert confirmed.json()["sha256"] == asked["sha256"]
        assert store().head(f"images/{style_id}/{asked['sha256']}")

    def test_strangers_see_and_add_nothing(self, ada: Caller, person: People) -> None:
        """G13."""
        style_id = draft(ada)["id"]
        eve = person("eve", Role.ARTIST)
        assert eve("GET", f"/api/styles/{style_id}/images/").status_code == 404
        assert add_images(eve, style_id, 1).status_code == 404


class TestTraining:
    def test_a_training_holds_its_cost_and_shows(self, ada: Caller, person: People) -> None:
        """G4."""
        fund(person, ada, 100)
        style_id = draft(ada)["id"]
        add_images(ada, style_id, 10)

        response = train(ada, style_id)

        assert response.status_code == 200, response.content
        answer = response.json()
        assert answer["training_status"] == "training"
        assert (answer["style_id"], answer["price"]) == (style_id, 100)
        balance = ada("GET", "/api/tokens/balance/").json()
        assert (balance["available"], balance["held"]) == (0, 100)
        catch_up()
        progress = ada("GET", f"/api/styles/{style_id}/progress/").json()
        assert (progress["training_status"], progress["status"], progress["progress"]) == (
            "training",
            "queued",
            0,
        )
        assert train(ada, style_id).json() == answer
        assert code(train(ada, style_id, "t-2")) == (409, "training_in_progress")
        assert code(add_images(ada, style_id, 1, first=50)) == (409, "training_in_progress")

    def test_fewer_than_ten_images_are_too_few(self, ada: Caller, person: People) -> None:
        fund(person, ada, 100)
        style_id = draft(ada)["id"]
        add_images(ada, style_id, 9)
        assert code(train(ada, style_id)) == (422, "too_few_images")

    def test_too_few_tokens_are_402_and_nothing_starts(self, ada: Caller) -> None:
        """G3."""
        style_id = draft(ada)["id"]
        add_images(ada, style_id, 10)
        assert code(train(ada, style_id)) == (402, "insufficient_tokens")
        catch_up()
        assert ada("GET", f"/api/styles/{style_id}/progress/").json()["training_id"] is None

    def test_strangers_cannot_train_and_unknown_styles_are_404(
        self, ada: Caller, person: People
    ) -> None:
        """G13."""
        style_id = draft(ada)["id"]
        assert train(person("eve", Role.ARTIST), style_id).status_code == 404
        assert train(ada, str(uuid4())).status_code == 404

    def test_training_needs_a_key(self, ada: Caller) -> None:
        style_id = draft(ada)["id"]
        response = ada("POST", f"/api/styles/{style_id}/train/", {})
        assert code(response) == (400, "idempotency_key_required")
