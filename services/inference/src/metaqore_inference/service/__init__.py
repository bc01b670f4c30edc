"""What Inference does, and the ports it needs."""
