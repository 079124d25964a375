"""The ordered log of records: a port, and its adapters."""
