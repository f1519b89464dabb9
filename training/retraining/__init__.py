"""What the whole road of retraining is made of: its configuration, journal, estimate and report."""
