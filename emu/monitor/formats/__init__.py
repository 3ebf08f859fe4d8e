"""What a trace looks like to others: text for people, JSON lines, Perfetto, folded stacks, LCOV.

Each module has one function that takes an `emu.monitor.trace.file.Trace` and gives pieces of the file, in order.
"""
