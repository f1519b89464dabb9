"""Policies measured on held-out people, under criteria that nobody trained on."""
