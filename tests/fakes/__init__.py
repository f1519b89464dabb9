"""Scripted stand-ins for a language model's words."""
