"""The metaqore command and the Python client."""
