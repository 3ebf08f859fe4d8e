"""The timer's interrupt at every instruction boundary of a window, and what it breaks."""
