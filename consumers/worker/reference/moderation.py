"""The moderation list: prompts that the reference worker refuses to paint."""

import re
import unicodedata

_REFUSED = frozenset(
    {
        "gore",
        "beheading",
        "torture",
        "child abuse",
        "child porn",
        "rape",
        "nude",
        "nudity",
        "naked",
        "porn",
        "pornography",
        "terrorist attack",
        "swastika",
    }
)
_REFUSED_STEMS = frozenset(
    {"포르노", "참수", "아동학대", "아동 학대"}
)  # particles follow in Korean


def _any_of(terms: frozenset[str]) -> str:
    return "|".join(re.escape(term).replace(r"\ ", r"\s+") for term in sorted(terms))


_WORDS = re.compile(rf"(?<!\w)(?:(?:{_any_of(_REFUSED)})(?!\w)|(?:{_any_of(_REFUSED_STEMS)}))")


def is_refused(prompt: str) -> bool:
    """Tell whether a prompt has a term of the list as a word, whatever its case and width.

    Invisible characters and marks put between letters do not hide a term.
    """
    text = unicodedata.normalize("NFKD", prompt)
    plain = "".join(c for c in text if unicodedata.category(c) not in {"Mn", "Cf"})
    return _WORDS.search(unicodedata.normalize("NFKC", plain).casefold()) is not None
