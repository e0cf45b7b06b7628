"""Where the objects of the book lie in the store: one function a kind, nothing else names keys."""

from uuid import UUID


def image_key(style_id: UUID, sha256: str) -> str:
    """Return where a checked training image is kept."""
    return f"images/{style_id}/{sha256}"


def image_upload_key(style_id: UUID, image_id: UUID) -> str:
    """Return where an artist's presigned upload lands, before it is checked."""
    return f"uploads/images/{style_id}/{image_id}"


def task_upload_key(task_id: UUID) -> str:
    """Return where the worker of a task stores its result, before it is checked."""
    return f"uploads/tasks/{task_id}"


def checkpoint_upload_key(task_id: UUID) -> str:
    """Return where the worker of a training stores its newest checkpoint, before it is checked."""
    return f"uploads/checkpoints/{task_id}"


def checkpoint_key(training_id: UUID, sha256: str) -> str:
    """Return where a checked checkpoint is kept; no worker can write there."""
    return f"checkpoints/{training_id}/{sha256}"


def picture_key(generation_id: UUID, sha256: str) -> str:
    """Return where a checked picture is kept; no worker can write there (G6)."""
    return f"results/{generation_id}/{sha256}"


def late_key(job_id: UUID, sha256: str) -> str:
    """Return where a checked result that came too late is kept apart, for a time."""
    return f"late/{job_id}/{sha256}"


def model_key(style_id: UUID, sha256: str) -> str:
    """Return where a checked model is kept; no worker can write there (G6)."""
    return f"models/{style_id}/{sha256}"
