"""PSMP over REST: `/api/v1`."""
