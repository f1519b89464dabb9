"""From conversations to a better policy."""
