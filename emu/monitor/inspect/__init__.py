"""Looking at a machine that stands still: registers, tables, pages, chips, threads, stacks, code.

Everything here reads and nothing writes: no access shows on the bus, marks a page or moves the clock. What is found is
plain data with `as_dict` for JSON; how it looks to a person is for who shows it.
"""
