"""The rules of the gateway alone: what a chat task is, and where it may be routed."""
