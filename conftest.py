"""What all tests share."""

pytest_plugins = ["metaqore_mesh.testing.plugin", "metaqore_mesh.testing.kafka_plugin"]
