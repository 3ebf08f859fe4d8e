"""Recordings of runs: what the processor did, so that it can be priced on another one without booting again.

`tap` notes natively what happens, `recorder` writes it, `file` is the file, `player` charges it again, natively, and
`prices` says what comes out.
"""
