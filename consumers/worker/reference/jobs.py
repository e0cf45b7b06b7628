"""The reference worker's two functions for the kit: train a style, paint a picture."""

import logging
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageOps

from consumers.worker.job import Job, JobFailed, Result, Work
from consumers.worker.reference.checkpoint import Halfway, read_halfway
from consumers.worker.reference.colour import Pixels
from consumers.worker.reference.learning import learn
from consumers.worker.reference.mark import DEFAULT_MARK, png_bytes, signed
from consumers.worker.reference.model import InvalidModel, read_model
from consumers.worker.reference.moderation import is_refused
from consumers.worker.reference.painting import SIZES, paint

logger = logging.getLogger(__name__)
MAX_PIXELS = 40_000_000
LEARNED_SIDE = 512
MAX_EPOCHS = 10_000
MAX_STEPS = 500
MAX_SEED = 2**63 - 1

_LEAST_SIDE = 128
_LONGEST_RATIO = 8


def train(job: Job) -> Result:
    """Learn a style from the job's images; the result is a .safetensors file."""
    began = time.monotonic()
    parameters = _parameters(job.data)
    epochs = _whole(parameters, "epochs", default=200, least=1, most=MAX_EPOCHS)
    rate = parameters.get("learning_rate", 0.0001)
    if not isinstance(rate, int | float) or isinstance(rate, bool) or not 0 < rate <= 1:
        raise JobFailed("parameters_invalid", "learning_rate must be in 0 to 1", retryable=False)
    if not job.inputs:
        raise JobFailed("images_missing", "a style is learned from images", retryable=False)

    def report(percent: int, epoch: int) -> None:
        job.report(percent, current_epoch=epoch, total_epochs=epochs)

    def keep(halfway: Halfway) -> None:
        job.save_checkpoint(halfway.epoch, halfway.to_bytes)

    images = [read_picture(given.path) for given in job.inputs]
    start = _halfway(job, epochs)
    lesson = learn(
        images, epochs=epochs, learning_rate=float(rate), report=report, keep=keep, start=start
    )
    facts = {
        "style_id": str(job.data.get("style_id", "")),
        "training_id": str(job.data.get("training_id", "")),
        "images": str(len(images)),
        "epochs": str(lesson.epochs),
    }
    return Result(
        content=lesson.model.to_bytes(facts),
        content_type="application/octet-stream",
        metrics={
            "images": len(images),
            "epochs": lesson.epochs,
            "palette_error": round(lesson.palette_error, 6),
            "strokes": len(lesson.model.strokes),
            "seconds": round(time.monotonic() - began, 3),
        },
    )


def generate(job: Job) -> Result:
    """Paint the job's prompt in the job's style; the result is a signed PNG."""
    began = time.monotonic()
    parameters = _parameters(job.data)
    size = parameters.get("size", "512x512")
    if not isinstance(size, str) or size not in SIZES:
        message = f"size must be one of {', '.join(SIZES)}"
        raise JobFailed("parameters_invalid", message, retryable=False)
    steps = _whole(parameters, "steps", default=50, least=1, most=MAX_STEPS)
    seed = _whole(parameters, "seed", default=0, least=0, most=MAX_SEED)
    prompt = _prompt(job.data)
    (given,) = job.inputs
    try:
        model = read_model(given.path.read_bytes())
    except InvalidModel as error:
        raise JobFailed("model_invalid", f"The style's model: {error}", retryable=False) from error

    def report(step: int, total: int) -> None:
        job.report(100 * step // total)

    pixels = paint(model, prompt=prompt, seed=seed, size=size, steps=steps, report=report)
    provenance = {
        "generation_id": str(job.data.get("generation_id", "")),
        "style_id": str(job.data.get("style_id", "")),
        "model_sha256": given.sha256,
        "seed": str(seed),
    }
    image = signed(pixels, _mark(job.data))
    return Result(
        content=png_bytes(image, provenance),
        content_type="image/png",
        metrics={
            "width": image.width,
            "height": image.height,
            "steps": steps,
            "seconds": round(time.monotonic() - began, 3),
        },
    )


WORK: Mapping[str, Work] = {"model_training": train, "image_generation": generate}


def read_picture(path: Path) -> Pixels:
    """Read a JPEG or PNG as RGB (h, w, 3) with its shorter side at 512 pixels.

    Raises JobFailed for anything else, for less than 128 pixels, more than 40 megapixels by its
    header, or a side more than eight times the other.
    """
    try:
        with Image.open(path, formats=["JPEG", "PNG"]) as image:
            shorter, longer = sorted(image.size)
            if image.width * image.height > MAX_PIXELS or shorter < _LEAST_SIDE:
                raise JobFailed(
                    "image_invalid", "An image has too few or too many pixels", retryable=False
                )
            if longer > shorter * _LONGEST_RATIO:
                raise JobFailed("image_invalid", "An image is too long and thin", retryable=False)
            image.draft("RGB", (LEARNED_SIDE, LEARNED_SIDE))
            upright = ImageOps.exif_transpose(image).convert("RGB")
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        raise JobFailed("image_invalid", "An image does not decode", retryable=False) from error
    share = LEARNED_SIDE / min(upright.size)
    wanted = round(upright.width * share), round(upright.height * share)
    if upright.size != wanted:
        upright = upright.resize(wanted, Image.Resampling.LANCZOS, reducing_gap=2.0)
    return np.asarray(upright)


def _halfway(job: Job, epochs: int) -> Halfway | None:
    """Return where an earlier attempt stood; None to begin anew if that is of no use."""
    if job.checkpoint is None or job.checkpoint_epoch > epochs:
        return None
    try:
        return read_halfway(job.checkpoint.read_bytes(), job.checkpoint_epoch)
    except InvalidModel as error:
        logger.warning("checkpoint_invalid", extra={"facts": {"cause": str(error)}})
        return None


def _parameters(data: Mapping[str, Any]) -> Mapping[str, Any]:
    parameters = data.get("parameters", {})
    if not isinstance(parameters, Mapping):
        raise JobFailed("parameters_invalid", "parameters must be an object", retryable=False)
    return parameters


def _whole(parameters: Mapping[str, Any], name: str, *, default: int, least: int, most: int) -> int:
    value = parameters.get(name, default)
    if not isinstance(value, int) or isinstance(value, bool) or not least <= value <= most:
        message = f"{name} must be a whole number from {least} to {most}"
        raise JobFailed("parameters_invalid", message, retryable=False)
    return value


def _prompt(data: Mapping[str, Any]) -> str:
    """Return the prompt; raises JobFailed `moderation` if the moderation list refuses it."""
    prompt = data.get("prompt")
    if not isinstance(prompt, str) or not prompt.strip():
        raise JobFailed("prompt_invalid", "The prompt must be a text", retryable=False)
    if is_refused(prompt):
        raise JobFailed("moderation", "The prompt is not allowed", retryable=False)
    return prompt


def _mark(data: Mapping[str, Any]) -> str:
    mark = data.get("mark")
    return mark if isinstance(mark, str) else DEFAULT_MARK
