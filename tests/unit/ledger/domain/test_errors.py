"""Every refusal has a code, a status and a sentence."""

from ledger.domain import errors
from ledger.domain.errors import RULES, RULES_BY_CODE, Conflict, RuleBroken, Unknown


def test_a_refusal_carries_its_sentence_and_its_details() -> None:
    refusal = errors.InsufficientTokens(required=5, available=3, shortfall=2)
    assert refusal.message == "The balance has fewer tokens than this costs."
    assert refusal.details == {"required": 5, "available": 3, "shortfall": 2}
    assert (refusal.status, refusal.code, str(refusal)) == (402, *["insufficient_tokens"] * 2)


def test_every_rule_is_in_the_table_under_its_own_code() -> None:
    abstract = {RuleBroken, Unknown, Conflict}
    defined = {
        kind
        for kind in vars(errors).values()
        if isinstance(kind, type) and issubclass(kind, RuleBroken)
    }
    assert set(RULES) == defined - abstract
    assert len(RULES_BY_CODE) == len(RULES)
    assert all(rule.code not in {kind.code for kind in abstract} for rule in RULES)


def test_every_rule_says_itself_in_one_sentence() -> None:
    assert all("\n" not in rule().message and rule().message.endswith(".") for rule in RULES)
    assert RuleBroken().message == "A rule of the ledger refuses this command."
