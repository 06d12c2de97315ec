"""The independent engine: executes a schedule word by word; knows layers and schedules only."""

from accelsim.replay.engine import DoesNotFit, Replayed, replay

__all__ = ["DoesNotFit", "Replayed", "replay"]
