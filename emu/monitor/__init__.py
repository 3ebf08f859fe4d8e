"""What a machine did, seen from outside: crossings, paths, costs, traces, breakpoints, time travel.

Knows the machine and the image, no device by name. It reads; it changes nothing but through the machine.
"""
