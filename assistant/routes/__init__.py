"""HTTP routes, a few lines each."""
