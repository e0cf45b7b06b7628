"""Jobs in tests, through the door as in earnest: a trained style, an order, a worker's results."""

import io
import struct
from functools import cache
from hashlib import sha256
from typing import Any
from uuid import UUID, uuid4

from PIL import Image

from core.ids import new_id, new_job_id, task_id
from core.sealing import seal
from core.storage import store
from ledger import callbacks
from ledger.book.load import load
from ledger.book.read import shard_of
from ledger.callbacks import Answer, Sender
from ledger.domain.dataset import AddImage
from ledger.domain.events import Sealed
from ledger.domain.generation import RequestGeneration
from ledger.domain.money import available, held
from ledger.domain.style import DraftStyle
from ledger.domain.training import CompleteTraining, RequestTraining, StartTraining
from ledger.domain.wallet import GrantTokens
from ledger.handlers import handle
from ledger.objects import checkpoint_upload_key, task_upload_key
from ledger.orders import Accepted, Context, Order
from ledger.states import fold

TRAINING_COST = 100


def give(*commands: Any) -> list[Accepted]:
    """Hand commands to the door as one batch; every one of them must be accepted."""
    results = handle([Order(command, Context(actor="test")) for command in commands])
    for result in results:
        assert isinstance(result, Accepted), result
    return results  # type: ignore[return-value]  # just asserted


def granted(user: UUID, amount: int, colour: str = "paid") -> GrantTokens:
    """Return the command that gives tokens to a user."""
    return GrantTokens(
        grant_id=new_id(user), user_id=user, amount=amount, colour=colour, reason="test"
    )


def balance(user: UUID) -> tuple[int, int]:
    """Return what the user can spend and what is held, all colours together."""
    accounts = [available(user), held(user)]
    loaded = load(shard=shard_of(user), keys=[], streams={}, accounts=accounts)
    spendable, set_aside = (sum(loaded.balances.get(one, {}).values()) for one in accounts)
    return spendable, set_aside


def drafted(artist: UUID, *, price: int = 100, images: int = 10) -> tuple[UUID, list[Any]]:
    """Return a style's id and the commands that draft it and add its images."""
    style_id = new_id(artist)
    draft = DraftStyle(
        style_id=style_id, artist_id=artist, name=Sealed(*seal(artist, "Ink")), price=price
    )
    adds = [
        AddImage(
            style_id=style_id, artist_id=artist, image_id=new_id(artist), key=f"images/{number}",
            sha256=f"{number:064x}", bytes=5, content_type="image/png", width=512, height=512,
        )
        for number in range(images)
    ]  # fmt: skip
    return style_id, [draft, *adds]


def training_of(style_id: UUID, artist: UUID) -> RequestTraining:
    """Return the command that trains a drafted style."""
    training_id = new_job_id(artist)
    return RequestTraining(
        training_id=training_id, style_id=style_id, artist_id=artist,
        task_id=task_id(training_id, 1), seed=7,
    )  # fmt: skip


def trained_style(artist: UUID, *, price: int = 100) -> UUID:
    """Train a style as an artist who is given the tokens for it, in one batch."""
    style_id, drafting = drafted(artist, price=price)
    request = training_of(style_id, artist)
    named: dict[str, Any] = {
        "training_id": request.training_id, "style_id": style_id, "task_id": request.task_id,
        "claim": uuid4(), "worker_id": None,
    }  # fmt: skip
    complete = CompleteTraining(
        **named, sequence=2, key="models/1", sha256="a" * 64, bytes=9,
        content_type="application/octet-stream",
    )  # fmt: skip
    start = StartTraining(**named, sequence=1)
    give(*drafting, granted(artist, TRAINING_COST), request, start, complete)
    return style_id


def order_picture(user: UUID, style_id: UUID, **given: Any) -> RequestGeneration:
    """Return the command that orders a picture."""
    generation_id = new_job_id(user)
    return RequestGeneration(
        **{
            "generation_id": generation_id, "user_id": user, "style_id": style_id,
            "task_id": task_id(generation_id, 1), "prompt": Sealed(*seal(user, "a fox")),
            "seed": 42, **given,
        }
    )  # fmt: skip


def state_of(stream: str) -> Any:
    """Return the state of a stream, folded from the book."""
    return fold(stream)[0].state


@cache
def picture(width: int = 512, height: int = 512, shade: int = 90) -> bytes:
    """Return a PNG."""
    target = io.BytesIO()
    Image.new("RGB", (width, height), (shade, 20, 30)).save(target, "PNG")
    return target.getvalue()


@cache
def model(family: str = "") -> bytes:
    """Return a whole .safetensors file."""
    metadata = f'"__metadata__":{{"family":"{family}"}},' if family else ""
    header = f'{{{metadata}"w":{{"dtype":"U8","shape":[4],"data_offsets":[0,4]}}}}'.encode()
    return struct.pack("<Q", len(header)) + header + bytes(4)


def announced(data: bytes, content_type: str = "image/png") -> dict[str, Any]:
    """Return what a worker says of its result."""
    return {
        "sha256": sha256(data).hexdigest(),
        "bytes": len(data),
        "content_type": content_type,
    }


class Worker:
    """A worker that holds one task: reports are answered by `ledger.callbacks`."""

    def __init__(self, kind: str, task: UUID, worker_id: UUID | None = None) -> None:
        self.kind, self.task, self.claim = kind, task, uuid4()
        self.sender = Sender(worker_id)
        self.sequence = 0

    def body(self, data: Any = None, **given: Any) -> dict[str, Any]:
        """Return the body of the next callback."""
        self.sequence += 1
        body = {
            "task_id": str(self.task), "claim": str(self.claim), "sequence": self.sequence,
            "occurred_at": "2026-11-23T12:00:00Z", "data": data or {},
        }  # fmt: skip
        return body | given

    def tell(
        self, action: str, data: Any = None, *, callback_id: str | None = None, **given: Any
    ) -> Answer:
        """Send one callback."""
        body = self.body(data, **given)
        return self.send(action, body, callback_id=callback_id)

    def send(self, action: str, body: Any, *, callback_id: str | None = None) -> Answer:
        """Send a callback of this body."""
        return callbacks.receive(
            kind=self.kind, action=action, body=body, sender=self.sender, callback_id=callback_id
        )

    def upload(self, data: bytes) -> None:
        """Store a result where the task said."""
        store().put(task_upload_key(self.task), data, "application/octet-stream")

    def save(self, data: bytes, *, epoch: int, **given: Any) -> dict[str, Any]:
        """Store a checkpoint where the task said; return what a worker says of it."""
        store().put(checkpoint_upload_key(self.task), data, "application/octet-stream")
        said = {"epoch": epoch, "sha256": sha256(data).hexdigest(), "bytes": len(data)}
        return said | given
