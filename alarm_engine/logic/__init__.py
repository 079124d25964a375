"""Decisions about alarms: pure, given `now`, returning effects."""
