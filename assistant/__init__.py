"""The chat backend: one turn from a typed message to a personal reply, over HTTP."""
