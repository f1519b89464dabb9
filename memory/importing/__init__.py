"""Histories from elsewhere: files read line by line into the ledger."""
