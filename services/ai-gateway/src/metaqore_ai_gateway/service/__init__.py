"""The use cases of the gateway, with the ports that they need."""
