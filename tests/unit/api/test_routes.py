"""Every route states who may call it (G13)."""

from collections.abc import Iterator

from django.urls import URLPattern, URLResolver
from rest_framework.views import APIView

from api.permissions import Nobody
from api.urls import urlpatterns

# Plain Django views, and what guards them instead of a permission class.
GUARDED_OTHERWISE = {"api.files.files": "the signed token in the path"}


def routes(
    patterns: list[URLPattern | URLResolver], prefix: str = ""
) -> Iterator[tuple[str, object]]:
    for pattern in patterns:
        route = prefix + str(pattern.pattern)
        if isinstance(pattern, URLResolver):
            yield from routes(pattern.url_patterns, route)
        else:
            yield route, pattern.callback


def states_permission(view: object) -> bool:
    """Whether the class itself, or a class of ours above it, names its permissions."""
    cls = getattr(view, "cls", None)
    if cls is None or not issubclass(cls, APIView):
        name = f"{getattr(view, '__module__', '')}.{getattr(view, '__name__', '')}"
        return name in GUARDED_OTHERWISE
    stated = [one for one in cls.__mro__ if "permission_classes" in vars(one)]
    return stated[0] is not APIView and Nobody not in cls.permission_classes


def test_every_route_states_its_permission() -> None:
    silent = [route for route, view in routes(urlpatterns) if not states_permission(view)]

    assert silent == []


def test_a_view_that_names_no_permission_is_found_and_is_closed() -> None:
    class Forgotten(APIView):
        pass

    assert not states_permission(Forgotten.as_view())
    assert Forgotten.permission_classes == [Nobody]
