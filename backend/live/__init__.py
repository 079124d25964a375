"""The current alarm trees, rebuilt from the journal and kept up to date."""

from backend.live.follower import Live
from backend.live.model import Counts, Freshness, LiveAlarm, LiveNode, LiveTree
from backend.live.standing import Standing, standing

__all__ = ["Counts", "Freshness", "Live", "LiveAlarm", "LiveNode", "LiveTree", "Standing", "standing"]
