"""Replays recorded behaviour of the Phoebus alarm server against ours."""
