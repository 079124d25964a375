"""Which configurations are mine: a port, and its adapters."""
