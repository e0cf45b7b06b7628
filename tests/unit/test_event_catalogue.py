"""Every event of the book with its fields: a changed shape must fail here first.

A shape that was in a tagged release is never edited; `ledger/codec.py` upcasts instead.
"""

import dataclasses
from datetime import datetime
from typing import get_args, get_type_hints
from uuid import UUID

from ledger.domain.events import EVENT_TYPES, Event, Sealed

CATALOGUE = {
    "TokensGranted": {
        "user_id": "UUID",
        "amount": "int",
        "colour": "str",
        "reason": "str",
        "memo": "Sealed | None",
    },
    "TokensTransferred": {
        "user_id": "UUID",
        "recipient_id": "UUID",
        "amount": "int",
        "memo": "Sealed | None",
    },
    "TokensExpired": {
        "user_id": "UUID",
        "amount": "int",
        "colour": "str",
        "met_by": "str | None",
    },
    "PurchaseStarted": {
        "user_id": "UUID",
        "package": "str",
        "tokens": "int",
        "price_cents": "int",
        "currency": "str",
        "provider": "str",
        "expires_at": "datetime",
    },
    "PurchasePaid": {
        "user_id": "UUID",
        "payment_key": "str",
        "amount_cents": "int",
        "currency": "str",
        "is_late": "bool",
    },
    "TokensIssued": {
        "user_id": "UUID",
        "amount": "int",
        "package": "str",
    },
    "PurchaseFailed": {
        "user_id": "UUID",
        "payment_key": "str",
        "code": "str",
    },
    "PurchaseExpired": {
        "user_id": "UUID",
    },
    "PurchaseDisputed": {
        "user_id": "UUID",
        "payment_key": "str",
        "amount_cents": "int",
        "currency": "str",
        "reason": "str",
    },
    "PurchaseRefunded": {
        "user_id": "UUID",
        "payment_key": "str",
        "amount_cents": "int",
        "currency": "str",
        "reason": "str",
    },
    "TokensUnissued": {
        "user_id": "UUID",
        "amount": "int",
        "taken": "int",
        "goodwill": "int",
    },
    "TokensHeld": {
        "user_id": "UUID",
        "amount": "int",
        "colours": "tuple[tuple[str, int], ...]",
    },
    "HoldCaptured": {
        "user_id": "UUID",
        "artist_id": "UUID | None",
        "style_id": "UUID",
        "amount": "int",
        "colours": "tuple[tuple[str, int], ...]",
        "split": "tuple[tuple[str, int, int], ...]",
        "refundable_until_at": "datetime | None",
        "clears_at": "datetime | None",
    },
    "HoldReleased": {
        "user_id": "UUID",
        "amount": "int",
        "colours": "tuple[tuple[str, int], ...]",
        "reason": "str",
    },
    "AttemptFailed": {
        "user_id": "UUID",
        "attempt": "int",
        "task_id": "UUID",
        "claim": "UUID | None",
        "worker_id": "UUID | None",
        "code": "str",
        "message": "Sealed | None",
    },
    "RetryScheduled": {
        "user_id": "UUID",
        "attempt": "int",
        "due_at": "datetime",
    },
    "AttemptQueued": {
        "user_id": "UUID",
        "attempt": "int",
        "task_id": "UUID",
        "start_by_at": "datetime",
        "checkpoint_key": "str | None",
        "checkpoint_sha256": "str | None",
    },
    "CancelRequested": {
        "user_id": "UUID",
        "attempt": "int",
        "task_id": "UUID",
        "reason": "str",
    },
    "LateResultReceived": {
        "user_id": "UUID",
        "attempt": "int",
        "task_id": "UUID",
        "claim": "UUID",
        "worker_id": "UUID | None",
        "key": "str",
        "sha256": "str",
        "bytes": "int",
        "content_type": "str",
        "kept_until_at": "datetime",
    },
    "GenerationRequested": {
        "user_id": "UUID",
        "style_id": "UUID",
        "artist_id": "UUID",
        "task_id": "UUID",
        "prompt": "Sealed",
        "size": "str",
        "steps": "int",
        "seed": "int",
        "model_key": "str",
        "model_sha256": "str",
        "model_family": "str | None",
        "price": "int",
        "fee_bps": "int",
        "split": "tuple[tuple[str, int, int], ...]",
        "start_by_at": "datetime",
        "deadline_at": "datetime",
        "retry_of": "UUID | None",
        "late_of": "UUID | None",
    },
    "GenerationStarted": {
        "user_id": "UUID",
        "attempt": "int",
        "task_id": "UUID",
        "claim": "UUID",
        "worker_id": "UUID | None",
        "sequence": "int",
        "leased_until_at": "datetime",
        "deadline_at": "datetime",
    },
    "GenerationProgressed": {
        "user_id": "UUID",
        "attempt": "int",
        "task_id": "UUID",
        "sequence": "int",
        "percent": "int",
    },
    "GenerationCompleted": {
        "user_id": "UUID",
        "style_id": "UUID",
        "artist_id": "UUID",
        "attempt": "int",
        "task_id": "UUID",
        "claim": "UUID",
        "worker_id": "UUID | None",
        "key": "str",
        "sha256": "str",
        "bytes": "int",
        "content_type": "str",
        "width": "int",
        "height": "int",
    },
    "GenerationFailed": {
        "user_id": "UUID",
        "style_id": "UUID",
        "attempt": "int",
        "task_id": "UUID",
        "claim": "UUID | None",
        "worker_id": "UUID | None",
        "code": "str",
        "message": "Sealed | None",
    },
    "GenerationExpired": {
        "user_id": "UUID",
        "style_id": "UUID",
        "attempt": "int",
        "task_id": "UUID",
        "code": "str",
    },
    "GenerationCanceled": {
        "user_id": "UUID",
        "style_id": "UUID",
        "attempt": "int",
        "task_id": "UUID",
        "reason": "str",
        "is_confirmed_by_worker": "bool",
    },
    "GenerationRefunded": {
        "user_id": "UUID",
        "style_id": "UUID",
        "artist_id": "UUID",
        "amount": "int",
        "colours": "tuple[tuple[str, int], ...]",
        "split": "tuple[tuple[str, int, int], ...]",
        "source": "str",
        "reason": "str",
        "note": "Sealed | None",
    },
    "EarningsCleared": {
        "artist_id": "UUID",
        "style_id": "UUID",
        "user_id": "UUID",
        "amount": "int",
        "colours": "tuple[tuple[str, int], ...]",
    },
    "TrainingRequested": {
        "user_id": "UUID",
        "style_id": "UUID",
        "task_id": "UUID",
        "images": "tuple[UUID, ...]",
        "manifest_sha256": "str",
        "price": "int",
        "epochs": "int",
        "learning_rate": "str",
        "seed": "int",
        "start_by_at": "datetime",
        "deadline_at": "datetime",
    },
    "TrainingStarted": {
        "user_id": "UUID",
        "style_id": "UUID",
        "attempt": "int",
        "task_id": "UUID",
        "claim": "UUID",
        "worker_id": "UUID | None",
        "sequence": "int",
        "leased_until_at": "datetime",
        "deadline_at": "datetime",
    },
    "TrainingProgressed": {
        "user_id": "UUID",
        "style_id": "UUID",
        "attempt": "int",
        "task_id": "UUID",
        "sequence": "int",
        "percent": "int",
        "epoch": "int | None",
        "total_epochs": "int | None",
    },
    "TrainingCheckpointed": {
        "user_id": "UUID",
        "attempt": "int",
        "task_id": "UUID",
        "sequence": "int",
        "epoch": "int",
        "key": "str",
        "sha256": "str",
        "bytes": "int",
    },
    "TrainingCompleted": {
        "user_id": "UUID",
        "style_id": "UUID",
        "attempt": "int",
        "task_id": "UUID",
        "claim": "UUID",
        "worker_id": "UUID | None",
        "key": "str",
        "sha256": "str",
        "bytes": "int",
        "content_type": "str",
        "model_family": "str | None",
        "metrics": "tuple[tuple[str, str], ...]",
    },
    "TrainingFailed": {
        "user_id": "UUID",
        "style_id": "UUID",
        "attempt": "int",
        "task_id": "UUID",
        "claim": "UUID | None",
        "worker_id": "UUID | None",
        "code": "str",
        "message": "Sealed | None",
    },
    "TrainingExpired": {
        "user_id": "UUID",
        "style_id": "UUID",
        "attempt": "int",
        "task_id": "UUID",
        "code": "str",
    },
    "TrainingCanceled": {
        "user_id": "UUID",
        "style_id": "UUID",
        "attempt": "int",
        "task_id": "UUID",
        "reason": "str",
        "is_confirmed_by_worker": "bool",
    },
    "StyleDrafted": {
        "artist_id": "UUID",
        "name": "Sealed",
        "description": "Sealed | None",
        "price": "int",
        "tags": "tuple[str, ...]",
    },
    "StyleRenamed": {
        "artist_id": "UUID",
        "name": "Sealed",
    },
    "StyleDescribed": {
        "artist_id": "UUID",
        "description": "Sealed",
    },
    "StylePriced": {
        "artist_id": "UUID",
        "price": "int",
    },
    "StyleTagged": {
        "artist_id": "UUID",
        "tags": "tuple[str, ...]",
    },
    "StyleTrained": {
        "artist_id": "UUID",
        "training_id": "UUID",
        "model_key": "str",
        "model_sha256": "str",
        "model_bytes": "int",
        "model_family": "str | None",
        "image_count": "int",
    },
    "StyleDeactivated": {
        "artist_id": "UUID",
        "reason": "str",
    },
    "StyleReactivated": {
        "artist_id": "UUID",
    },
    "ImageAdded": {
        "artist_id": "UUID",
        "image_id": "UUID",
        "key": "str",
        "sha256": "str",
        "bytes": "int",
        "content_type": "str",
        "width": "int",
        "height": "int",
        "caption": "Sealed | None",
    },
    "ImageRemoved": {
        "artist_id": "UUID",
        "image_id": "UUID",
        "sha256": "str",
    },
    "ImageCaptioned": {
        "artist_id": "UUID",
        "image_id": "UUID",
        "caption": "Sealed | None",
    },
    "DatasetLocked": {
        "artist_id": "UUID",
        "training_id": "UUID",
        "image_count": "int",
        "manifest_sha256": "str",
    },
    "DatasetUnlocked": {
        "artist_id": "UUID",
        "training_id": "UUID",
        "outcome": "str",
    },
    "EarningsClaimed": {
        "artist_id": "UUID",
        "amount": "int",
        "colours": "tuple[tuple[str, int], ...]",
    },
    "PayoutRequested": {
        "artist_id": "UUID",
        "amount": "int",
        "destination": "Sealed | None",
    },
    "PayoutPaid": {
        "artist_id": "UUID",
        "amount": "int",
        "reference": "str",
        "amount_cents": "int",
        "currency": "str",
    },
    "PayoutReturned": {
        "artist_id": "UUID",
        "amount": "int",
        "reason": "str",
    },
    "ArtistNamed": {
        "user_id": "UUID",
        "name": "Sealed",
    },
    "SignatureSet": {
        "user_id": "UUID",
        "key": "str | None",
        "sha256": "str | None",
    },
    "AccountFlagged": {
        "user_id": "UUID",
        "reason": "str",
        "cause": "str | None",
    },
    "AccountFrozen": {
        "user_id": "UUID",
        "reason": "str",
        "note": "Sealed | None",
    },
    "AccountUnfrozen": {
        "user_id": "UUID",
        "reason": "str",
        "note": "Sealed | None",
    },
    "AccountClosed": {
        "user_id": "UUID",
        "reason": "str",
    },
    "PersonErased": {
        "user_id": "UUID",
        "reason": "str",
    },
    "NotificationRead": {
        "user_id": "UUID",
        "event_id": "UUID",
    },
    "NotificationsRead": {
        "user_id": "UUID",
        "until_at": "datetime",
    },
    "PostPublished": {
        "user_id": "UUID",
        "generation_id": "UUID",
        "style_id": "UUID",
        "artist_id": "UUID",
        "key": "str",
        "sha256": "str",
        "caption": "Sealed | None",
        "prompt": "Sealed | None",
        "tags": "tuple[str, ...]",
    },
    "PostUnpublished": {
        "user_id": "UUID",
        "reason": "str",
    },
    "PostLiked": {
        "user_id": "UUID",
        "post_id": "UUID",
        "author_id": "UUID",
    },
    "PostUnliked": {
        "user_id": "UUID",
        "post_id": "UUID",
        "author_id": "UUID",
    },
    "CommentWritten": {
        "user_id": "UUID",
        "post_id": "UUID",
        "author_id": "UUID",
        "parent_id": "UUID | None",
        "parent_user_id": "UUID | None",
        "text": "Sealed",
    },
    "CommentEdited": {
        "user_id": "UUID",
        "post_id": "UUID",
        "text": "Sealed",
    },
    "CommentRemoved": {
        "user_id": "UUID",
        "post_id": "UUID",
        "reason": "str",
    },
    "ArtistFollowed": {
        "user_id": "UUID",
        "artist_id": "UUID",
    },
    "ArtistUnfollowed": {
        "user_id": "UUID",
        "artist_id": "UUID",
    },
    "DeadLetterRequeued": {
        "user_id": "UUID",
        "queue": "str",
        "message_id": "str",
        "type": "str",
        "reason": "str",
        "note": "Sealed | None",
    },
    "DeadLetterDropped": {
        "user_id": "UUID",
        "queue": "str",
        "message_id": "str",
        "type": "str",
        "reason": "str",
        "note": "Sealed | None",
    },
}
ATOMS = {str, int, bool, UUID, datetime, Sealed, type(None)}


def atoms_of(hint: object) -> set[object]:
    """Return the plain types within `hint`; bare containers count as themselves."""
    parts = [part for part in get_args(hint) if part is not Ellipsis]
    if not parts:
        return {hint}
    return set().union(*(atoms_of(part) for part in parts))


def shown(hint: object) -> str:
    """Return `hint` as the catalogue writes it."""
    if isinstance(hint, type) and not get_args(hint):
        return hint.__name__
    text = str(hint).replace("ledger.domain.events.base.", "").replace("uuid.", "")
    return text.replace("datetime.datetime", "datetime")


def test_the_catalogue_lists_every_event_with_its_fields() -> None:
    shapes = {
        name: {field: shown(hint) for field, hint in get_type_hints(event).items()}
        for name, event in EVENT_TYPES.items()
    }
    assert shapes == CATALOGUE


def test_every_event_class_is_in_the_table_once() -> None:
    home = Event.__module__.rpartition(".")[0]
    classes = {kind.__name__ for kind in Event.__subclasses__() if kind.__module__.startswith(home)}
    assert set(EVENT_TYPES) == classes
    assert len(set(EVENT_TYPES.values())) == len(EVENT_TYPES)


def test_a_field_is_plain_or_sealed() -> None:
    for event in EVENT_TYPES.values():
        for name, hint in get_type_hints(event).items():
            assert atoms_of(hint) <= ATOMS, f"{event.__name__}.{name}: {hint}"


def test_an_event_is_a_frozen_dataclass_with_named_fields_and_no_defaults() -> None:
    for event in EVENT_TYPES.values():
        assert dataclasses.is_dataclass(event)
        assert event.__dataclass_params__.frozen
        assert "__slots__" in vars(event)
        for field in dataclasses.fields(event):
            assert field.kw_only, f"{event.__name__}.{field.name}"
            assert field.default is dataclasses.MISSING, f"{event.__name__}.{field.name}"


def test_an_event_names_the_person_it_belongs_to() -> None:
    for event in EVENT_TYPES.values():
        assert {"user_id", "artist_id"} & {field.name for field in dataclasses.fields(event)}


def test_personal_text_is_sealed_and_no_address_or_secret_is_a_field() -> None:
    personal = {"prompt", "name", "description", "caption", "text", "memo", "note", "message"}
    hints = [item for event in EVENT_TYPES.values() for item in get_type_hints(event).items()]
    assert all(Sealed in atoms_of(hint) for name, hint in hints if name in personal)
    assert not [name for name, _ in hints if {"url", "email", "secret"} & set(name.split("_"))]
