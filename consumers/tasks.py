"""From an event of the book to the task message for a worker (design section 9).

Signed links are made here, when a task is published: none is ever in the book.
"""

from dataclasses import dataclass
from datetime import UTC, datetime
from math import ceil
from typing import Any
from uuid import UUID

import orjson
import structlog
from django.conf import settings
from django.utils import timezone

from consumers.broker import Message
from consumers.topology import IMAGE_GENERATION, MODEL_TRAINING, family_queue
from core.images.results import MAX_RESULT_BYTES
from core.models import User
from core.sealing import open_many, open_text
from core.storage import store
from core.traces import HEADER, accepted
from ledger.book import read
from ledger.codec import Recorded, decode, decode_event
from ledger.domain.dataset import dataset_stream
from ledger.domain.events import (
    AttemptQueued,
    GenerationRequested,
    ImageAdded,
    ImageCaptioned,
    TrainingCheckpointed,
    TrainingRequested,
)
from ledger.domain.job import JobStatus
from ledger.objects import checkpoint_upload_key, task_upload_key
from ledger.reports import MODEL_TYPE
from ledger.states import fold
from ledger.terms import terms

QUEUES_AN_ATTEMPT = frozenset({"AttemptQueued", "GenerationRequested", "TrainingRequested"})
LINK_MARGIN_SECONDS = 3600.0
STEPS = ("started", "progress", "complete", "failed")
log = structlog.get_logger(__name__)


class TooLate(Exception):
    """Nobody needs this task any more: the timers end its job and release its hold."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Attempt:
    """One attempt of a job, as its worker has to know it."""

    task_id: UUID
    job_id: UUID
    number: int
    queued_at: datetime
    deadline_at: datetime
    request: GenerationRequested | TrainingRequested
    checkpoint: TrainingCheckpointed | None = None  # to resume from

    @property
    def link_seconds(self) -> int:
        """How long links live from now on: until deadline, grace and an hour; raises TooLate."""
        left = (self.deadline_at - timezone.now()).total_seconds() + settings.GRACE_SECONDS
        if left <= 0:
            raise TooLate("its deadline is over")
        return ceil(left + LINK_MARGIN_SECONDS)

    def link(self, key: str) -> str:
        """Return a link by which the worker reads the object."""
        return store().download_url(key, expires_seconds=self.link_seconds)


class ArtistNames(dict[UUID, str]):
    """The names that pictures visibly bear, each asked for once: to be kept for a moment only."""

    def __missing__(self, artist_id: UUID) -> str:
        names = User.objects.filter(id=artist_id).values_list("artist_name", "username")
        self[artist_id] = next((name for name in names.first() or () if name), "")
        return self[artist_id]


def task_of(recorded: Recorded, names: ArtistNames) -> tuple[str, Message] | None:
    """Return (queue, message) for the attempt that `recorded` queues, or None if it is too late.

    `recorded` is one of QUEUES_AN_ATTEMPT; one that stands for a late result, which is there
    already, is no task. Raises SealBroken and StorageError.
    """
    attempt = _attempt(recorded)
    traceparent = _traceparent(recorded)
    if isinstance(recorded.event, GenerationRequested) and recorded.event.late_of:
        return None
    try:
        if isinstance(attempt.request, GenerationRequested):
            queue = family_queue(attempt.request.model_family)
            body = _generation(attempt, attempt.request, names)
        else:
            queue, body = MODEL_TRAINING, _training(attempt, attempt.request)
    except TooLate as reason:
        facts = {"task_id": str(attempt.task_id), "cause": str(reason)}
        log.warning("task_too_late", traceparent=traceparent, **facts)
        return None
    trace = {HEADER: traceparent} if traceparent else {}
    message = Message(
        id=str(attempt.task_id),
        type=body["type"],
        body=orjson.dumps(body | trace),
        headers=trace,
    )
    return queue, message


def task_in(stream: str) -> tuple[str, Message] | None:
    """Return (queue, message) for the attempt of a job that waits to be started, if one does.

    Raises SealBroken and StorageError.
    """
    rows = list(read.stream(stream))
    queued = [row for row in rows if row.type in QUEUES_AN_ATTEMPT]
    state = fold(stream)[0].state
    if not queued or state.job.status is not JobStatus.QUEUED:
        return None
    return task_of(decode(queued[-1]), ArtistNames())


def _traceparent(recorded: Recorded) -> str | None:
    """Return the trace that a task belongs to: a later attempt's is that of its order."""
    if isinstance(recorded.event, AttemptQueued):
        (ordered,) = read.stream(recorded.stream, through_version=1)
        return accepted(decode(ordered).metadata.get(HEADER))
    return accepted(recorded.metadata.get(HEADER))


def _attempt(recorded: Recorded) -> Attempt:
    job_id, event = UUID(recorded.stream[-36:]), recorded.event
    if isinstance(event, AttemptQueued):
        state = fold(recorded.stream, through_version=recorded.version)[0].state
        return Attempt(
            task_id=event.task_id,
            job_id=job_id,
            number=event.attempt,
            queued_at=recorded.occurred_at,
            deadline_at=state.job.deadline_at,
            request=state.request,
            checkpoint=state.job.checkpoint if event.checkpoint_key else None,
        )
    assert isinstance(event, GenerationRequested | TrainingRequested)  # noqa: S101  # the caller's
    return Attempt(
        task_id=event.task_id,
        job_id=job_id,
        number=1,
        queued_at=recorded.occurred_at,
        deadline_at=event.deadline_at,
        request=event,
    )


def _generation(
    attempt: Attempt, request: GenerationRequested, names: ArtistNames
) -> dict[str, Any]:
    prompt = open_text(request.prompt.sealed, request.prompt.key)
    if prompt is None:
        raise TooLate("its payer was erased")
    data = {
        "generation_id": str(attempt.job_id),
        "style_id": str(request.style_id),
        "prompt": prompt,
        "model": {"url": attempt.link(request.model_key), "sha256": request.model_sha256},
        "mark": names[request.artist_id],
        "parameters": {"size": request.size, "steps": request.steps, "seed": request.seed},
    }
    return _body(attempt, IMAGE_GENERATION, "generation", "image/png", data)


def _training(attempt: Attempt, request: TrainingRequested) -> dict[str, Any]:
    data: dict[str, Any] = {
        "training_id": str(attempt.job_id),
        "style_id": str(request.style_id),
        "images": _images(attempt, request),
        "parameters": {
            "epochs": request.epochs,
            "learning_rate": float(request.learning_rate),
            "seed": request.seed,
        },
    }
    if last := attempt.checkpoint:
        data["checkpoint"] = {
            "url": attempt.link(last.key),
            "sha256": last.sha256,
            "bytes": last.bytes,
            "epoch": last.epoch,
        }
    body = _body(attempt, MODEL_TRAINING, "training", MODEL_TYPE, data)
    return body | {
        "checkpoint_upload": store().upload_form(
            checkpoint_upload_key(attempt.task_id),
            max_bytes=MAX_RESULT_BYTES,
            content_type=MODEL_TYPE,
            expires_seconds=attempt.link_seconds,
        )
    }


def _images(attempt: Attempt, request: TrainingRequested) -> list[dict[str, str]]:
    """Return links, checksums and captions of the pinned images, in their order."""
    added: dict[UUID, ImageAdded] = {}
    captions = {}
    for row in read.stream(dataset_stream(request.style_id)):
        event = decode_event(row.type, row.schema_version, row.data)
        if isinstance(event, ImageAdded):
            added[event.image_id] = event
        if isinstance(event, ImageAdded | ImageCaptioned):
            captions[event.image_id] = event.caption
    sealed = [captions[image] for image in request.images]
    opened = iter(open_many((one.sealed, one.key) for one in sealed if one))
    return [
        {
            "url": attempt.link(added[image].key),
            "sha256": added[image].sha256,
            "caption": (next(opened) or "") if caption else "",
        }
        for image, caption in zip(request.images, sealed, strict=True)
    ]


def _body(
    attempt: Attempt, job_type: str, noun: str, content_type: str, data: dict[str, Any]
) -> dict[str, Any]:
    limits = terms().training if job_type == MODEL_TRAINING else terms().generation
    callbacks = {step: f"{settings.PUBLIC_URL}/api/webhooks/{noun}/{step}" for step in STEPS}
    return {
        "task_id": str(attempt.task_id),
        "type": job_type,
        "attempt": attempt.number,
        "created_at": _time(attempt.queued_at),
        "deadline": _time(attempt.deadline_at),
        "lease_seconds": limits.lease_seconds,
        "data": data,
        "upload": store().upload_form(
            task_upload_key(attempt.task_id),
            max_bytes=MAX_RESULT_BYTES,
            content_type=content_type,
            expires_seconds=attempt.link_seconds,
        ),
        "callback_url": callbacks["complete"],
        "callbacks": callbacks,
    }


def _time(at: datetime) -> str:
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
