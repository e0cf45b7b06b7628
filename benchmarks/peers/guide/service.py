"""The guide's create path (its sections 5.1 and 5.2), line by line; the publish is left out."""

from django.db import transaction

from benchmarks.peers.guide.models import GeneratedImage, StyleModel, TokenTransaction, User


@transaction.atomic
def consume_tokens(user_id: int, amount: int, reason: str) -> bool:
    """Take tokens from a user, as in the guide."""
    user = User.objects.select_for_update().get(id=user_id)
    if user.token_balance < amount:
        return False
    user.token_balance -= amount
    user.save()
    TokenTransaction.objects.create(sender_id=user_id, receiver_id=None, amount=amount, memo=reason)
    return True


def create(user_id: int, style: StyleModel, prompt: str) -> GeneratedImage | None:
    """Consume the tokens, then store the generation; None (402) when there are too few."""
    if not consume_tokens(
        user_id, style.generation_cost_tokens, f"Image generation with style {style.pk}"
    ):
        return None
    return GeneratedImage.objects.create(user_id=user_id, style=style, prompt=prompt)
