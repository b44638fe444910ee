"""What all rooms stand on; imports nothing of the project but its methods' contract."""
