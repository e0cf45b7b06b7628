"""Every code that an error may have and what a client does about it, as one page of the docs."""

from collections.abc import Iterable
from typing import NamedTuple

from api import files
from api.messages import FIELD_MESSAGES, MESSAGES
from core import storage
from core.refusals import RETRYABLE
from core.storage import StorageError
from ledger import orders
from ledger.callbacks import CallbackReused
from ledger.domain.billing import ANY_OTHER, BILLING
from ledger.domain.errors import RULES, RuleBroken
from ledger.domain.job import JobStatus
from ledger.reports import Malformed

NO, PERHAPS = "no", "perhaps, once"
HEAD = """# Errors

Every refusal has one shape, whoever refuses and whatever the status:

    {"error": {"code": "...", "message": "...", "details": {}, "retryable": false,
               "request_id": "..."}}

Read `code`: it is stable and never translated. `message` follows Accept-Language (English, Korean).
`retryable` says that the same request may succeed later; wait for `Retry-After` where it is sent.
`request_id` is also in the header `X-Request-ID` and in our log.

A refusal moves no tokens. Where *billed* says "perhaps, once", we could not tell you how it ended:
send the same request with the same `Idempotency-Key`, and the answer is that of the first try.

This page is written by `python -m tests.unit.api.errors_page`; a test compares it with the code.
"""


class Advice(NamedTuple):
    """The status that a code comes with, and what the client does."""

    status: int
    what_to_do: str


REPEAT = "Send the same request with the same key again."
LOOK_AGAIN = "Check the id and that it is yours; read the list it was taken from anew."
NOTHING = "Nothing: what you wanted has happened."
CALL_US = "Repeat it once; then tell us the request_id."
SHORTEN = "Send less; `details` has the limit."
OTHER_ACCOUNT = "Use an account of the role that the permissions page names."

# What the API itself refuses with.
API: dict[str, Advice] = {
    "already_artist": Advice(409, NOTHING),
    "artist_only": Advice(403, "Become an artist first: POST /api/users/me/upgrade-to-artist/."),
    "auditor_only": Advice(403, OTHER_ACCOUNT),
    "bad_request": Advice(400, "Send well-formed HTTP: a known host, a whole body."),
    "csrf_failed": Advice(403, "Send the CSRF cookie's value in X-CSRFToken, or use an API key."),
    "idempotency_key_invalid": Advice(400, "Send a key of 1 to 255 visible ASCII characters."),
    "idempotency_key_required": Advice(400, "Draw a key once per intent and send it."),
    "internal_error": Advice(500, CALL_US),
    "invalid_api_key": Advice(401, "Make a new key; this one was revoked, expired or mistyped."),
    "invalid_credentials": Advice(401, "Ask for name and password again."),
    "invalid_fields": Advice(422, "Show `details`: the faults of each field, see below."),
    "invalid_signature": Advice(401, "Sign the very bytes of the body, with the current time."),
    "json_too_deep": Advice(400, "Send flatter JSON; `details` has the limit."),
    "job_type_not_allowed": Advice(403, "Give the worker this job type, or ask for another."),
    "ledger_position_invalid": Advice(400, "Send back what `Ledger-Position` said, unchanged."),
    "malformed_json": Advice(400, "Send JSON in UTF-8."),
    "malformed_request": Advice(400, "Send a body of the stated content type."),
    "maintenance": Advice(503, "Wait for Retry-After; running jobs go on meanwhile."),
    "method_not_allowed": Advice(405, "Use a method of the header Allow."),
    "metrics_token_needed": Advice(401, "Send METRICS_TOKEN as a bearer."),
    "not_acceptable": Advice(406, "Accept application/json."),
    "not_authenticated": Advice(401, "Sign in, or send an API key."),
    "not_found": Advice(404, LOOK_AGAIN),
    "not_ready": Advice(503, "Wait; `details` tells the operator what is missing."),
    "operator_only": Advice(403, OTHER_ACCOUNT),
    "payload_too_large": Advice(413, SHORTEN),
    "permission_denied": Advice(403, OTHER_ACCOUNT),
    "projection_behind": Advice(503, "Repeat after Retry-After, or leave Ledger-Position out."),
    "scope_missing": Advice(403, "Use a key with the scope in `details`."),
    "throttled": Advice(429, "Wait for Retry-After."),
    "too_many_keys": Advice(409, "Delete a key that is not used any more."),
    "unavailable": Advice(503, REPEAT),
    "unsupported_media_type": Advice(415, "Send the content type that the endpoint states."),
    "upload_missing": Advice(409, "Upload to the form you were given, then confirm again."),
    "user_only": Advice(403, OTHER_ACCOUNT),
    "webhook_id_reused": Advice(409, "Give each message a webhook-id of its own."),
    "worker_not_proven": Advice(401, "Sign with the worker's own secret and the current time."),
}
# What the ledger's rules and the object store refuse with; their status is stated by their class.
RULE_ADVICE: dict[str, str] = {
    "already_completed": "Fetch the result; it is there and was paid once.",
    "already_ended": "Nothing: the job ended and cost nothing.",
    "already_refunded": NOTHING,
    "amount_out_of_range": "Send an amount within what one movement may have.",
    "append_failed": REPEAT,
    "busy": REPEAT,
    "callback_id_reused": "Draw a webhook-id per callback; repeat only the very same body.",
    "content_differs": "Compute size and SHA-256 over what you upload, and upload it again.",
    "duplicate_image": "Nothing: the style has this picture.",
    "foreign_task": "Drop the task; another worker has it.",
    "generation_not_found": LOOK_AGAIN,
    "id_taken": "Draw another id.",
    "idempotency_key_reused": "Draw a new key: this one belongs to another request.",
    "image_not_found": LOOK_AGAIN,
    "insufficient_earnings": "Claim at most what has cleared; `details` has both amounts.",
    "insufficient_tokens": "Buy tokens, then send the same request again.",
    "internal_error": CALL_US,
    "key_invalid": "Use a name that we gave out.",
    "late_result_accepted": NOTHING,
    "late_result_gone": "Order it again.",
    "link_expired": "Ask for the job or image again; it has a new link.",
    "link_invalid": "Use the link whole, as it was given out.",
    "malformed_callback": "Send the fields that the worker's page states.",
    "no_late_result": "Nothing: there is no such result.",
    "not_found": LOOK_AGAIN,
    "not_refundable": "Nothing: the job was never charged.",
    "not_retryable": "Wait until the job has ended; order a new one if it is completed.",
    "not_the_owner": "Ask its owner.",
    "parameter_out_of_range": "Keep to the ranges of the schema.",
    "payout_closed": NOTHING,
    "payout_not_found": LOOK_AGAIN,
    "price_changed": "Show the new price in `details`, and order again if it is accepted.",
    "price_out_of_range": "Choose a price within the range in `details`.",
    "purchase_not_found": LOOK_AGAIN,
    "recipient_not_found": "Check the recipient's id.",
    "refund_too_late": "Ask us.",
    "self_transfer": "Name another recipient.",
    "storage_error": CALL_US,
    "storage_unavailable": REPEAT,
    "style_already_trained": "Make another style.",
    "style_inactive": "Choose another style.",
    "style_not_found": LOOK_AGAIN,
    "style_not_trained": "Wait until its training has completed.",
    "task_not_found": "Drop the task.",
    "too_few_images": "Add pictures; `details` has the least number.",
    "too_large": SHORTEN,
    "too_many_images": "Delete pictures first.",
    "training_in_progress": "Wait for the training that runs.",
    "training_not_found": LOOK_AGAIN,
    "unknown_colour": "Send paid, promo, or promo with a day that is to come.",
    "unknown_package": "Choose from GET /api/tokens/packages/.",
    "unknown_size": "Choose a size of the schema.",
    "upload_invalid": "Send one whole file in the form's field `file`.",
}
# 5xx that are answered only where nothing was written.
_SURELY_NOTHING = frozenset({"busy", "maintenance", "not_ready", "projection_behind"})
_BASES = (RuleBroken, StorageError)
_NO_ERRORS = frozenset({"training_started"})  # texts of success


class Refusal(NamedTuple):
    """One row of the page."""

    code: str
    status: int
    meaning: str
    what_to_do: str

    @property
    def billed(self) -> str:
        """Whether tokens may have moved for a request that was refused so."""
        is_sure = self.status < 500 or self.code in _SURELY_NOTHING
        return NO if is_sure else PERHAPS


def refusals() -> list[Refusal]:
    """Return a row for each code, by status; raises KeyError for a code without advice."""
    own = {
        code: Refusal(code, API[code].status, english, API[code].what_to_do)
        for code, (english, _) in MESSAGES.items()
        if code not in _NO_ERRORS
    }
    stated = {
        (one.code, one.status): Refusal(
            one.code, one.status, " ".join((one.__doc__ or "").split()), RULE_ADVICE[one.code]
        )
        for one in _stated()
        if one.code not in own
    }
    return sorted([*own.values(), *stated.values()], key=lambda one: (one.status, one.code))


def _stated() -> Iterable[type[RuleBroken] | type[StorageError]]:
    """Return the refusals that state status, code and English themselves."""
    named = [*vars(orders).values(), *vars(storage).values(), *vars(files).values()]
    found = [one for one in named if isinstance(one, type) and issubclass(one, _BASES)]
    return [*RULES, CallbackReused, Malformed, *(one for one in found if one is not RuleBroken)]


def page() -> str:
    """Return docs/reference/errors.md."""
    rows = [
        f"| `{one.code}` | {one.status} | {'yes' if one.status in RETRYABLE else 'no'}"
        f" | {one.billed} | {one.meaning} | {one.what_to_do} |"
        for one in refusals()
    ]
    fields = [f"| `{code}` | {text} |" for code, (text, _) in sorted(FIELD_MESSAGES.items())]
    jobs = {
        (rule.code or "", rule.outcome.value): "yes, the quote" if rule.is_charged else NO
        for rule in BILLING
        if rule.outcome in (JobStatus.FAILED, JobStatus.EXPIRED)
    }
    ended = [
        f"| {'any other' if code == ANY_OTHER else f'`{code}`'} | {outcome} | {billed}"
        f" | {JOB_CODES[code]} |"
        for (code, outcome), billed in jobs.items()
    ]
    return "\n".join(
        [
            HEAD,
            "## Codes",
            "",
            "| code | status | retryable | billed | meaning | what to do |",
            "|---|---|---|---|---|---|",
            *rows,
            "",
            "## Faults of fields",
            "",
            "In the `details` of `invalid_fields`, as `{field: [{code, message}]}`; a list's items"
            " are `field.0`.\nBeside these come REST framework's own, such as `min_value`.",
            "",
            "| code | meaning |",
            "|---|---|",
            *fields,
            "",
            "## Jobs that end without a result",
            "",
            "A job that was accepted and fails later says why in `error.code`. Its hold is"
            " released whole.",
            "",
            "| code | status of the job | billed | meaning |",
            "|---|---|---|---|",
            *ended,
            "",
        ]
    )


JOB_CODES: dict[str, str] = {
    "lease_expired": "The last worker fell silent, and its attempts are used up. Order it again.",
    "result_missing": "The worker named a result that is not in the store. Order it again.",
    "result_invalid": "The result was not the picture or model that was asked for. Order it again.",
    "moderation": "The prompt is not allowed. Change it.",
    "worker_error": "The worker failed in a way it did not foresee. Order it again.",
    "worker_failed": "The worker gave no better reason. Order it again.",
    "not_started_in_time": "No worker was free before the deadline. Order it again.",
    "deadline_exceeded": "It was not done before its deadline. Order it again.",
    ANY_OTHER: "What the worker of this model reports; its page states it.",
}
