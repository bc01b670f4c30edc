"""The AI Gateway: the one door through which every prompt and answer passes."""
