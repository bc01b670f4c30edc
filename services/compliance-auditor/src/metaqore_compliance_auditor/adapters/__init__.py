"""The outside of the auditor: PostgreSQL, Kafka, key files, the wire form of a group."""
