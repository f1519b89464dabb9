"""What we know about a person."""
