"""Where two runs part, and what differed."""
