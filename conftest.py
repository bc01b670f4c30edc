"""What all tests share."""

pytest_plugins = ["metaqore_mesh.testing.plugin"]
