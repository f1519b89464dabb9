"""Everything held about a person as one archive, written and read back."""
