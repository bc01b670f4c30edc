"""The outside of the gateway: stores, publishers, clients, providers."""
