"""Sources of process variables: a port, and its adapters."""
