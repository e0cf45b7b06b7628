"""The two demo styles, learned once for all tests of the reference worker."""

from pathlib import Path

import pytest

from consumers.worker.job import Input, Job, Result
from consumers.worker.reference.jobs import train

IMAGES = Path(__file__).parents[5] / "demo" / "images"


def training_images(style: str) -> list[Path]:
    """Return the twelve training images of `retina` or `deep-field`."""
    return sorted((IMAGES / style).glob("*.jpg"))


def training_job(images: list[Path], **parameters: object) -> Job:
    """Return a training task on these images."""
    return Job(
        task_id="task",
        type="model_training",
        data={"style_id": "style", "training_id": "training", "parameters": parameters},
        inputs=tuple(Input(path=image, sha256="0" * 64) for image in images),
    )


@pytest.fixture(scope="session")
def trained() -> dict[str, Result]:
    """Return the training result of each demo style."""
    return {
        style: train(training_job(training_images(style))) for style in ("retina", "deep-field")
    }


@pytest.fixture(scope="session")
def model_files(
    trained: dict[str, Result], tmp_path_factory: pytest.TempPathFactory
) -> dict[str, Path]:
    """Return the .safetensors file of each demo style."""
    folder = tmp_path_factory.mktemp("models")
    files = {style: folder / f"{style}.safetensors" for style in trained}
    for style, file in files.items():
        file.write_bytes(trained[style].content)
    return files
