"""gRPC between services and for clients: one way to serve and one way to call."""
