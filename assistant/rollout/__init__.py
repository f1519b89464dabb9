"""How a trained policy comes to answer people: what it is, what it must show, where it is loaded, who it answers."""
