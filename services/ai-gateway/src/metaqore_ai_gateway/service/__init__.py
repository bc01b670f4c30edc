"""The use cases of the gateway, and the ports that they need."""
