"""The chips of the machine, a file or folder each: plain Python that knows the clock, its wires, its own registers."""
