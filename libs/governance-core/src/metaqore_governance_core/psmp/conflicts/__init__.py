"""What cannot stand together: found over all parties at once, and explained."""
