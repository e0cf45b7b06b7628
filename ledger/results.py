"""Results: looked up where the task said, checked, and kept where no worker can write (G6).

Used by workers' callbacks, and by the timers before they end an attempt that is not heard of.
"""

import hashlib
from dataclasses import replace
from typing import Any
from uuid import UUID

from django.conf import settings

from core.ids import job_id_of
from core.images.results import (
    MAX_RESULT_BYTES,
    ResultInvalid,
    check_announced,
    check_model,
    check_result,
)
from core.storage import ObjectMissing, ObjectTooLarge, store
from ledger.domain.generation import CompleteGeneration
from ledger.domain.job import JobStatus
from ledger.domain.training import Checkpoint, CompleteTraining, TrainingState
from ledger.objects import (
    checkpoint_key,
    checkpoint_upload_key,
    late_key,
    model_key,
    picture_key,
    task_upload_key,
)
from ledger.reports import MODEL_TYPE, PICTURE_TYPES
from ledger.states import fold

Completion = CompleteGeneration | CompleteTraining


def uploaded(task_id: UUID) -> bytes:
    """Return what the worker of a task stored. Raises ObjectMissing, ObjectTooLarge."""
    return store().read(task_upload_key(task_id), MAX_RESULT_BYTES)


def kept(command: Completion, data: bytes) -> Completion:
    """Return the completion once its result `data` is checked and kept. Raises ResultInvalid."""
    content_type = _checked(command, data)
    if isinstance(command, CompleteTraining):
        command = replace(command, model_family=_family(data))
        key = model_key(command.style_id, command.sha256)
    else:
        key = picture_key(command.generation_id, command.sha256)
    store().keep(key, data, content_type)
    return replace(command, key=key, content_type=content_type)


def _family(model: bytes) -> str | None:
    """Return the family that the model states in its metadata. Raises ResultInvalid."""
    family = check_model(model).get("family") or None
    if family is not None and family not in settings.MODEL_FAMILIES:
        raise ResultInvalid("family_unknown")
    return family


def _checked(command: Completion, data: bytes) -> str:
    """Return the content type of the announced result `data`. Raises ResultInvalid."""
    if isinstance(command, CompleteTraining):
        check_result(data, sha256=command.sha256, size_bytes=command.bytes, kind="model")
        return command.content_type
    picture = check_result(
        data,
        sha256=command.sha256,
        size_bytes=command.bytes,
        kind="picture",
        pixels=(command.width, command.height),
    )
    return picture.content_type if picture else command.content_type


def kept_apart(command: Completion, data: bytes) -> str:
    """Return the key of a late result once it is checked and kept. Raises ResultInvalid."""
    key = late_key(job_id_of(command.task_id), command.sha256)
    store().keep(key, data, _checked(command, data))
    return key


def kept_checkpoint(task_id: UUID, *, epoch: int, sha256: str, size_bytes: int) -> Checkpoint:
    """Return what a training's next attempt can resume from, once it is checked and kept.

    Raises ObjectMissing, ObjectTooLarge, ResultInvalid.
    """
    data = store().read(checkpoint_upload_key(task_id), MAX_RESULT_BYTES)
    check_announced(data, sha256=sha256, size_bytes=size_bytes)
    key = checkpoint_key(job_id_of(task_id), sha256)
    store().keep(key, data, MODEL_TYPE)
    return Checkpoint(epoch=epoch, key=key, sha256=sha256, bytes=size_bytes)


def found(stream: str) -> Completion | None:
    """Return the completion of a running job whose result is stored though nobody said so.

    None when there is no such job or no valid result. Raises StoreUnavailable: without a look
    into the store nobody knows, so nothing may be ended.
    """
    state = fold(stream)[0].state
    if state is None or state.job.status is not JobStatus.PROCESSING:
        return None
    try:
        data = uploaded(state.job.task_id)
        return kept(_unsaid(state, UUID(stream[-36:]), data), data)
    except (ObjectMissing, ObjectTooLarge, ResultInvalid):
        return None


def _unsaid(state: Any, job_id: UUID, data: bytes) -> Completion:
    """Return the completion that the worker would have reported for `data`."""
    job = state.job
    said = {
        "task_id": job.task_id,
        "claim": job.claim,
        "worker_id": job.worker_id,
        "sequence": job.sequence + 1,
        "key": "unchecked",
        "sha256": hashlib.sha256(data).hexdigest(),
        "bytes": len(data),
    }
    if isinstance(state, TrainingState):
        style_id = state.request.style_id
        return CompleteTraining(
            **said, training_id=job_id, style_id=style_id, content_type=MODEL_TYPE
        )
    width, height = map(int, state.request.size.split("x"))
    return CompleteGeneration(
        **said, generation_id=job_id, content_type=PICTURE_TYPES[0], width=width, height=height
    )
