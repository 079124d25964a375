"""Questions about the past: what was at a moment, what differs between two, who acknowledged what, all events of a range."""
