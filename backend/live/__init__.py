"""The current alarm trees, rebuilt from the journal and kept up to date."""

from backend.live.follower import Live
from backend.live.model import Counts, Freshness, LiveAlarm, LiveNode, LiveTree
from backend.live.standing import NOTABLE, Standing, standing

__all__ = ["NOTABLE", "Counts", "Freshness", "Live", "LiveAlarm", "LiveNode", "LiveTree", "Standing", "standing"]
