"""`trapline bench`: how fast the machine is on this computer, against goals.

One module for each group (`compute`, `memory`, `crossings`, `interrupts`, `boot`), each with `measure(quick)`. `rig`
has what they share, `system` a guest with a ring 3, `command` the table and the JSON.
"""
