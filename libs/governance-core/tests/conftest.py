"""Property tests without a time limit for each example: a loaded machine is not a bug."""

from hypothesis import settings

settings.register_profile("metaqore", deadline=None)
settings.load_profile("metaqore")
