"""Crisis screening, resources and protocol."""
