"""What a NIC is plugged into: a wire with rate and delay, and what may be at its other end."""
