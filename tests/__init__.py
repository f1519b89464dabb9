"""Tests; they mirror the packages file for file."""
