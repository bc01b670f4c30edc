"""Where work comes in: the audit topic and gRPC."""
