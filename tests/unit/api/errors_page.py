"""`python -m tests.unit.api.errors_page` writes docs/reference/errors.md anew, from the code."""

from pathlib import Path

PAGE = Path(__file__).resolve().parents[3] / "docs" / "reference" / "errors.md"

if __name__ == "__main__":
    import django

    django.setup()
    from api.error_catalogue import page

    PAGE.write_text(page())
