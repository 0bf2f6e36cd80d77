"""What came of a healing, and what is told of it."""
