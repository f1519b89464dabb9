"""The ledger: the truth about people, conversations and facts. The only SQL in the house."""
