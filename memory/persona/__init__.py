"""From trait evidence to an honest Big Five."""
