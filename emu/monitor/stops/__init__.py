"""Where a run is to stop: breakpoints with conditions, and watchpoints."""
