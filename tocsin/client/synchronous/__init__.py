"""The client without asyncio. Written by `make client` from `tocsin/client/synchronous`: edit that."""
