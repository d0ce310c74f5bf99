"""What a restored database would do to the world outside by itself: found, paused, remembered, and resumed."""
