"""HTTP: one router per family."""
