"""Delivers what is in the outbox, by single tries: the result first, then the final callback."""

import logging
import time

from consumers.worker.courier import Answer, Courier
from consumers.worker.credentials import CredentialsInvalid
from consumers.worker.objects import Objects, StoreRefused
from consumers.worker.outbox import FinalCallback, Outbox, PendingUpload
from consumers.worker.task import Upload

logger = logging.getLogger(__name__)
UNAUTHORIZED = 401


class WorkerRefused(Exception):
    """The server does not accept this worker or its requests."""


class Delivery:
    """Tries once each time it is asked; who asks makes the pauses."""

    def __init__(self, outbox: Outbox, courier: Courier, objects: Objects) -> None:
        self._outbox = outbox
        self._courier = courier
        self._objects = objects

    def is_due(self) -> bool:
        """Tell whether something waits."""
        return self._outbox.waiting() is not None

    def attempt(self) -> bool:
        """Deliver what waits and forget it once it is answered; return whether there was anything.

        Raises Unreachable if store or server do not answer, WorkerRefused if the credentials are
        refused; the outbox then stays as it is.
        """
        final = self._outbox.waiting()
        if final is None:
            return False
        if final.upload:
            self._upload(final, final.upload)
            final = self._outbox.uploaded(final)
        answer = self._post(final)
        self._outbox.clear()
        level = logging.INFO if answer.is_accepted else logging.ERROR
        facts = {"status": answer.status, "code": answer.code, "disposition": answer.disposition}
        _log(level, "task_answered", final, **facts)
        return True

    def _upload(self, final: FinalCallback, upload: PendingUpload) -> None:
        """Upload the result, unless that is over: the callback then lets the server say so."""
        content = self._outbox.result()
        if content is None:
            _log(logging.ERROR, "result_lost", final)
        elif time.time() > upload.until:
            _log(logging.ERROR, "upload_too_late", final)
        else:
            to = Upload(url=upload.url, fields=upload.fields)
            try:
                self._objects.deliver(to, content, upload.content_type)
            except StoreRefused as refused:
                _log(logging.ERROR, "upload_refused", final, cause=str(refused))

    def _post(self, final: FinalCallback) -> Answer:
        try:
            answer = self._courier.post(
                final.url,
                final.body.encode(),
                message_id=final.callback_id,
                retries=False,
                traceparent=final.traceparent,
            )
        except CredentialsInvalid as error:
            raise WorkerRefused(str(error)) from error
        if answer.status == UNAUTHORIZED:  # kept: it may be sent with other credentials
            raise WorkerRefused("the server refused the credentials (401)")
        return answer


def _log(level: int, event: str, final: FinalCallback, **facts: object) -> None:
    known = {"task_id": final.task_id, "action": final.action, "traceparent": final.traceparent}
    logger.log(level, event, extra={"facts": known | facts})
