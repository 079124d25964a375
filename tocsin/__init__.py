"""The public face: settings, assembly, command line, demo."""
