"""What travels on Kafka: topics, events and their JSON Schemas."""
