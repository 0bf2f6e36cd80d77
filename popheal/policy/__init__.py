"""How far a healing may go."""
