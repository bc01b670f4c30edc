import pytest

from metaqore_mesh.testing.kafka_bench import Bench


@pytest.fixture
def bench(kafka_settings, fresh_name):
    """A topic of one's own, on each broker there is."""
    return Bench(kafka_settings, fresh_name)
