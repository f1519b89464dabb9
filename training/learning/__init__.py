"""`make prove-learning`: a world small enough to know every right answer, in which GRPO must learn whom it talks to."""
