"""From turns to facts, trait evidence and feeling."""
