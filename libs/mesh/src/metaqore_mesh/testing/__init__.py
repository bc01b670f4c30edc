"""Real parts for tests, as pytest fixtures."""
