"""accelsim: least on-chip SRAM, least off-chip traffic, and the schedules that prove it."""

__version__ = "0.1.0"
