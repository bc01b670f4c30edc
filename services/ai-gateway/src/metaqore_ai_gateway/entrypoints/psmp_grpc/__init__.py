"""PSMP over gRPC: `metaqore.psmp.v1`."""
