"""Sites that come from Phoebus, or stay with it: its records and its alarm logger's documents as our events."""
