"""Measurements of what the parts of the assistant are worth, on data with known answers."""
