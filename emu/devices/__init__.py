"""The chips of the machine, one file each: plain Python that knows the clock, its wires and its own registers."""
