"""Records to bytes and back: the Phoebus messages and our own."""
