"""Going back in time, and on again, by restoring snapshots and running on from them."""
