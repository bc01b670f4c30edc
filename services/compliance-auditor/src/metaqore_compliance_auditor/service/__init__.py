"""The auditor's use cases, and the ports they need."""
