"""When: cycles of blocks on the PE array, and of their transfers on the DRAM channel."""
