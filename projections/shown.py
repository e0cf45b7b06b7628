"""Jobs as they are shown to their owners, by REST and in the answers of a queue."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from django.utils import timezone

from core.sealing import open_many
from core.storage import store
from projections.generations import Generation
from projections.jobs import Job
from projections.reading import Place

RESULT_LINK_SECONDS = 3600
_EXTENSIONS = {"image/png": "png", "image/jpeg": "jpg"}
Sealed = tuple[str, UUID]
Texts = Mapping[Sealed, str | None]


def render(rows: Sequence[Generation], *, places: Mapping[UUID, Place]) -> list[dict[str, Any]]:
    """Return generations as they are shown; their texts cost one query at most."""
    texts = opened(text for row in rows for text in (_prompt(row), sealed_error(row)))
    return [_render(row, places.get(row.id), texts) for row in rows]


def _render(row: Generation, place: Place | None, texts: Texts) -> dict[str, Any]:
    prompt, path = _prompt(row), f"/api/generations/{row.id}/"
    return render_job(row, place, texts) | {
        "style_id": row.style_id,
        "artist_id": row.artist_id,
        "prompt": prompt and texts[prompt],
        "parameters": {"size": row.size, "steps": row.steps, "seed": row.seed},
        "model_sha256": row.model_sha256,
        "result": _result(row),
        "retry_of": row.retry_of,
        "late_of": row.late_of,
        "links": {
            "self": path,
            "progress": f"{path}progress/",
            "style": f"/api/styles/{row.style_id}/",
        },
    }


def _prompt(row: Generation) -> tuple[str, UUID] | None:
    return sealed(row.prompt, row.prompt_key)


def _result(row: Generation) -> dict[str, Any] | None:
    if row.result_key is None or row.content_type is None:
        return None
    return {
        "url": store().download_url(
            row.result_key,
            expires_seconds=RESULT_LINK_SECONDS,
            filename=f"{row.id}.{_EXTENSIONS[row.content_type]}",
            content_type=row.content_type,
        ),
        "sha256": row.result_sha256,
        "bytes": row.result_bytes,
        "content_type": row.content_type,
        "width": row.width,
        "height": row.height,
    }


def opened(texts: Iterable[Sealed | None]) -> Texts:
    """Return what is sealed by what it is sealed in, with at most one query; None once erased."""
    sealed = [text for text in texts if text]
    return dict(zip(sealed, open_many(sealed), strict=True))


def sealed_error(job: Job) -> Sealed | None:
    """Return the job's error message as it is sealed, or None without one."""
    return sealed(job.error_message, job.error_message_key)


def sealed(text: str | None, key: UUID | None) -> Sealed | None:
    """Return the two columns of a sealed text as one, or None for a text that is not there."""
    return (text, key) if text and key else None


def render_job(job: Job, place: Place | None, texts: Texts) -> dict[str, Any]:
    """Return the fields that every job has."""
    message = sealed_error(job)
    return {
        "id": job.id,
        "status": job.status,
        "is_terminal": job.is_terminal,
        "outcome": job.outcome,
        "version": job.version,
        "progress": job.progress,
        "queue": render_queue(place),
        "attempts": job.attempts,
        "billing": _billing(job),
        "error": {"code": job.error_code, "message": message and texts[message]}
        if job.error_code
        else None,
        "deadline_at": job.deadline_at,
        "created_at": job.created_at,
        "updated_at": job.updated_at,
        "started_at": job.started_at,
        "ended_at": job.ended_at,
    }


def render_queue(place: Place | None) -> dict[str, Any]:
    """Return where a job waits; all null for one that does not."""
    return {
        "position": place and place.number,
        "eta_seconds": place and _wait_seconds(place),
    }


def _wait_seconds(place: Place) -> int:
    """Return how long the job will wait if it goes on as it went for the oldest in the queue.

    In a steady queue whoever is about to leave has waited the whole way (Little's law).
    """
    return round(_seconds_since(place.oldest_at) * place.number / place.length)


def _billing(job: Job) -> dict[str, Any]:
    return {
        "state": job.billing_state,
        "quote": job.quote,
        "held": job.held - job.captured - job.released,
        "captured": job.captured,
        "released": job.released,
        "refunded": job.refunded,
        "movements": [
            {
                "id": f"{one.shard}-{one.position}",
                "type": one.verb,
                "amount": one.amount,
            }
            for one in job.movements
        ],
    }


def remaining_seconds(job: Job, place: Place | None = None) -> int | None:
    """Return the seconds left: of waiting while queued, else at the speed so far; None: unknown."""
    if place is not None:
        return _wait_seconds(place)
    if job.is_terminal or job.started_at is None or not job.progress:
        return None
    return round(_seconds_since(job.started_at) * (100 - job.progress) / job.progress)


def _seconds_since(at: datetime) -> float:
    return max(0.0, (timezone.now() - at).total_seconds())
