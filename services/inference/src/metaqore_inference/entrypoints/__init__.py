"""The door of Inference: gRPC."""
