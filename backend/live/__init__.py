"""The current alarm trees, rebuilt from the journal and kept up to date."""
