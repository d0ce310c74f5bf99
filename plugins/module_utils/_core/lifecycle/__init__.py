"""What becomes of sets: how long they live, where they are copied to, what holds them."""
