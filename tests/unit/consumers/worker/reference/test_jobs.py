"""The reference worker's two functions, as the kit calls them."""

import hashlib
import io
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from safetensors.numpy import save as save_tensors

from consumers.worker.job import Input, Job, JobFailed, Result
from consumers.worker.reference.jobs import WORK, generate, read_picture, train
from tests.unit.consumers.worker.reference.conftest import training_images, training_job

PROMPT = "a lighthouse in a storm"


def generation_job(model: Path, **data: Any) -> Job:
    sha256 = hashlib.sha256(model.read_bytes()).hexdigest()
    given = {
        "generation_id": "0190-generation",
        "style_id": "0190-style",
        "prompt": PROMPT,
        "parameters": {"size": "512x512", "steps": 20, "seed": 42},
    }
    return Job(
        task_id="task",
        type="image_generation",
        data={**given, **data},
        inputs=(Input(path=model, sha256=sha256),),
    )


def test_training_reports_images_then_epochs_and_says_what_it_learned() -> None:
    seen: list[tuple[int, int | None, int | None]] = []
    job = training_job(training_images("retina")[:3], epochs=40, learning_rate=0.001)
    heard = Job(
        task_id=job.task_id,
        type=job.type,
        data=job.data,
        inputs=job.inputs,
        on_report=lambda *report: seen.append(report),
    )
    result = train(heard)
    assert [percent for percent, _, _ in seen] == sorted(percent for percent, _, _ in seen)
    assert seen[0] == (20, 0, 40)
    assert seen[-1][1] == result.metrics["epochs"]
    assert result.metrics["images"] == 3
    assert result.content_type == "application/octet-stream"


def test_training_twice_on_the_same_images_gives_the_same_file() -> None:
    images = training_images("deep-field")[:2]
    assert train(training_job(images)).content == train(training_job(images)).content


@pytest.fixture(scope="module")
def halves() -> tuple[Job, bytes, dict[int, bytes]]:
    """Return a training, its model and the checkpoint after each epoch."""
    job, saved = training_job(training_images("retina")[:2], epochs=12), dict[int, bytes]()

    def save(epoch: int, make_bytes: Callable[[], bytes]) -> bool:
        saved[epoch] = make_bytes()
        return True

    return job, train(replace(job, on_checkpoint=save)).content, saved


@pytest.mark.parametrize("epoch", [1, 2, 7, 12])
def test_a_training_goes_on_from_any_checkpoint_to_the_same_file(
    halves: tuple[Job, bytes, dict[int, bytes]], tmp_path: Path, epoch: int
) -> None:
    job, model, saved = halves
    (tmp_path / "half").write_bytes(saved[epoch])
    going_on = replace(job, checkpoint=tmp_path / "half", checkpoint_epoch=epoch)
    assert train(going_on).content == model


def test_a_training_that_has_settled_saves_no_more(tmp_path: Path) -> None:
    """From its last palette it would move once more, and end elsewhere."""
    saved: list[int] = []
    job = training_job(training_images("retina")[:1], epochs=300, learning_rate=0.01)

    def save(epoch: int, make_bytes: Callable[[], bytes]) -> bool:
        saved.append(epoch)
        return True

    epochs = train(replace(job, on_checkpoint=save)).metrics["epochs"]
    assert saved == list(range(1, int(epochs)))


@pytest.mark.parametrize(
    ("content", "epoch"),
    [
        (b"", 3),
        (b"no checkpoint", 3),
        (save_tensors({"other": np.zeros((12, 3), np.float32)}), 3),
        (save_tensors({"colours": np.zeros((11, 3), np.float32)}), 3),
        (save_tensors({"colours": np.zeros((12, 3), np.float64)}), 3),
        (save_tensors({"colours": np.full((12, 3), np.nan, np.float32)}), 3),
        (save_tensors({"colours": np.zeros((12, 3), np.float32)}), 13),
    ],
)
def test_a_checkpoint_that_is_none_of_ours_is_not_used(
    halves: tuple[Job, bytes, dict[int, bytes]], tmp_path: Path, content: bytes, epoch: int
) -> None:
    job, model, _ = halves
    (tmp_path / "half").write_bytes(content)
    anew = replace(job, checkpoint=tmp_path / "half", checkpoint_epoch=epoch)
    assert train(anew).content == model


def test_a_generation_is_a_png_with_provenance_and_without_the_prompt(
    model_files: dict[str, Path],
) -> None:
    job = generation_job(model_files["retina"])
    result = generate(job)
    assert result.content_type == "image/png"
    with Image.open(io.BytesIO(result.content), formats=["PNG"]) as image:
        assert image.size == (512, 512)
        assert image.info == {
            "generation_id": "0190-generation",
            "style_id": "0190-style",
            "model_sha256": job.inputs[0].sha256,
            "seed": "42",
        }
    assert b"lighthouse" not in result.content


def test_the_same_task_gives_the_same_bytes(model_files: dict[str, Path]) -> None:
    one, other = (generate(generation_job(model_files["deep-field"])) for _ in range(2))
    assert one.content == other.content


def test_the_mark_is_the_artists_name_or_ai(model_files: dict[str, Path]) -> None:
    named, default, ai = (
        generate(generation_job(model_files["retina"], mark=mark)).content
        for mark in ("Mina", None, "AI")
    )
    assert named != default
    assert default == ai


def test_a_prompt_on_the_moderation_list_fails_for_good(model_files: dict[str, Path]) -> None:
    with pytest.raises(JobFailed) as failed:
        generate(generation_job(model_files["retina"], prompt="a torture chamber"))
    assert (failed.value.code, failed.value.retryable) == ("moderation", False)
    assert "torture" not in failed.value.message


@pytest.mark.parametrize(
    ("data", "code"),
    [
        ({"prompt": ""}, "prompt_invalid"),
        ({"prompt": 7}, "prompt_invalid"),
        ({"parameters": []}, "parameters_invalid"),
        ({"parameters": {"size": "9x9"}}, "parameters_invalid"),
        ({"parameters": {"size": ["512x512"]}}, "parameters_invalid"),
        ({"parameters": {"steps": 0}}, "parameters_invalid"),
        ({"parameters": {"steps": 501}}, "parameters_invalid"),
        ({"parameters": {"steps": True}}, "parameters_invalid"),
        ({"parameters": {"seed": -1}}, "parameters_invalid"),
        ({"parameters": {"seed": "42"}}, "parameters_invalid"),
    ],
)
def test_a_wrong_generation_fails_for_good(
    model_files: dict[str, Path], data: dict[str, Any], code: str
) -> None:
    with pytest.raises(JobFailed) as failed:
        generate(generation_job(model_files["retina"], **data))
    assert (failed.value.code, failed.value.retryable) == (code, False)


def test_a_broken_model_fails_for_good(tmp_path: Path) -> None:
    broken = tmp_path / "model"
    broken.write_bytes(b"not a model")
    with pytest.raises(JobFailed) as failed:
        generate(generation_job(broken))
    assert (failed.value.code, failed.value.retryable) == ("model_invalid", False)


@pytest.mark.parametrize(
    "parameters",
    [
        {"epochs": 0},
        {"epochs": 10_001},
        {"epochs": 1.5},
        {"learning_rate": 0},
        {"learning_rate": "1"},
        {"learning_rate": True},
    ],
)
def test_wrong_training_parameters_fail_for_good(parameters: dict[str, Any]) -> None:
    with pytest.raises(JobFailed) as failed:
        train(training_job(training_images("retina")[:1], **parameters))
    assert (failed.value.code, failed.value.retryable) == ("parameters_invalid", False)


def test_a_style_of_plain_pictures_is_learned_and_painted(tmp_path: Path) -> None:
    """Nothing to see is no error: there are no strokes, no texture, and one colour."""
    plain = tmp_path / "plain.png"
    Image.new("RGB", (512, 512), "#3060a0").save(plain)
    result = train(training_job([plain, plain]))
    assert result.metrics["strokes"] == 0
    model = tmp_path / "model"
    model.write_bytes(result.content)
    picture = generate(generation_job(model))
    with Image.open(io.BytesIO(picture.content)) as image:
        assert image.getpixel((100, 100)) == pytest.approx((0x30, 0x60, 0xA0), abs=3)


def test_training_without_images_fails_for_good() -> None:
    with pytest.raises(JobFailed) as failed:
        train(training_job([]))
    assert failed.value.code == "images_missing"


def _saved(tmp_path: Path, image: Image.Image, kind: str = "PNG") -> Path:
    path = tmp_path / "picture"
    image.save(path, kind)
    return path


@pytest.mark.parametrize(
    ("mode", "kind"), [("L", "PNG"), ("RGBA", "PNG"), ("P", "PNG"), ("CMYK", "JPEG")]
)
def test_pictures_of_every_mode_are_read_as_rgb(tmp_path: Path, mode: str, kind: str) -> None:
    picture = read_picture(_saved(tmp_path, Image.new(mode, (600, 900)), kind))
    assert picture.shape == (768, 512, 3)


def test_a_large_picture_is_made_smaller(tmp_path: Path) -> None:
    assert read_picture(_saved(tmp_path, Image.new("RGB", (4000, 3000)), "JPEG")).shape == (
        512,
        683,
        3,
    )


@pytest.mark.parametrize(
    ("size", "kind"),
    [((100, 100), "PNG"), ((8000, 6000), "PNG"), ((200, 2000), "PNG"), ((600, 600), "GIF")],
)
def test_pictures_beyond_the_limits_fail_for_good(
    tmp_path: Path, size: tuple[int, int], kind: str
) -> None:
    """The 48 megapixel picture is a decompression bomb: 40 megapixels are the most."""
    with pytest.raises(JobFailed) as failed:
        read_picture(_saved(tmp_path, Image.new("L", size), kind))
    assert (failed.value.code, failed.value.retryable) == ("image_invalid", False)


def test_a_picture_cut_in_the_middle_fails_for_good(tmp_path: Path) -> None:
    cut = tmp_path / "cut.jpg"
    cut.write_bytes(training_images("retina")[0].read_bytes()[:5000])
    with pytest.raises(JobFailed) as failed:
        read_picture(cut)
    assert failed.value.code == "image_invalid"


def test_the_kit_finds_a_function_for_each_task_type(trained: dict[str, Result]) -> None:
    assert set(WORK) == {"model_training", "image_generation"}
