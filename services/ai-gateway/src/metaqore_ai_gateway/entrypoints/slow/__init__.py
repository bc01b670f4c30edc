"""The slow plane: everything over HTTP but `/v1`."""
