"""`trapline step`: a debugger in the terminal.

    session     a machine, its timeline and breakpoints
    registry    what a command is: names, usage, help
    commands    all of them; carries out one line after another
    running     step, next, finish, until, continue, back and their like
    stopping    breakpoints and watchpoints
    looking     registers, memory, code, tables, chips, threads
    rendering   how what was found looks to a person
    prompt      where lines come from: a terminal with completion and history, or a file
"""
