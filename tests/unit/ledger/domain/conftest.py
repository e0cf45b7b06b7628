"""Property tests here have no deadline: shared cores are slow now and then, rules are not."""

from hypothesis import settings

settings.register_profile("rules", deadline=None)
settings.load_profile("rules")
