"""The client for asyncio: the source. `make client` writes the other one of it."""
