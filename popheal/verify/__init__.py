"""What is known about the tables before they run."""
