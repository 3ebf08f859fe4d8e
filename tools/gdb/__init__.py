"""The gdb remote stub: `trapline boot --gdb PORT`, and `target remote :PORT` in gdb.

`packets` knows how bytes become packets, `registers` what the processor looks like to gdb, `execution` how the machine
is run and where it stops, `session` what each packet asks for, `server` the socket. `files` hands out ELF files with
source lines (`dwarf`) and call frames: `code` and `saved` read these from the instructions, `rows` says what holds in
front of each, `frames` makes the section.

The machine is only looked at and run: code is never patched, and an unwatched run is the same run.
"""
