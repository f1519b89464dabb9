"""PereGRM: a judge of personalised empathy, what it measures with, and the reward that is made of it."""
