"""On what a network runs."""
