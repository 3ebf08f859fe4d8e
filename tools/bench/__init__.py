"""`trapline bench`: how fast the machine is on this computer, against goals.

One module for each group (`compute`, `memory`, `model`, `monitor`, `crossings`, `interrupts`, `network`, `boot`), each
with `measure(quick)`. What `model` runs lies in `mix`, `gates`, `kernel` and `idle`; `emulators` runs the mix on Bochs
and QEMU, one of which boots from a `disk`. `rig` has what all share, `makeup` counts what code consists of, `system` is
a guest with a ring 3, `command` the table and the JSON.
"""
