"""The independent engine: executes a schedule word by word; knows layers and schedules only."""

from accelsim.replay.engine import DoesNotFit, Progress, Replayed, replay
from accelsim.replay.stream import replay_stream

__all__ = ["DoesNotFit", "Progress", "Replayed", "replay", "replay_stream"]
