"""Paths between two points of a run, by name: where a run went along them, and what that cost."""
