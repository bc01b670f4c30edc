"""Inference: model engines behind one gRPC service."""
