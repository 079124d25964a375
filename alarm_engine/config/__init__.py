"""The alarm tree as files."""
