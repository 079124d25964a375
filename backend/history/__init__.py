"""Stored events: a port, its adapters, and the writer."""
