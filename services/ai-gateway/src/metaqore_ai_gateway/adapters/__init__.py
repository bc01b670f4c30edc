"""What stands behind the ports: providers, the scanner, stores."""
