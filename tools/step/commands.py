"""All commands of the debugger, and the lines that are typed."""

from __future__ import annotations

from emu.monitor.inspect import threads
from tools.step import looking, running, stopping
from tools.step.registry import COMMANDS, Answer, Mistake, command, find
from tools.step.session import Session
from tools.terminal import StopSignals

MODULES = (looking, running, stopping)      # that declare the others


class Quit(Exception):
    """The session is over."""


def execute(session: Session, line: str) -> Answer:
    """Carry out a line as typed; an empty one repeats the last, if that makes sense. Raises Mistake and Quit."""
    line = line.strip() or session.repeated
    if not line or line.startswith("#"):
        return Answer()
    name, _, rest = line.partition(" ")
    name, slash, form = name.partition("/")             # print/x and the like: the form goes in front
    wanted = find(name)
    session.repeated = line if wanted.repeats else ""
    with StopSignals(session.machine):
        try:
            return wanted.function(session, f"{slash}{form} {rest}".strip())
        except (ValueError, KeyError, threads.UnknownKernel) as error:
            raise Mistake(str(error.args[0] if error.args else error)) from None
        except KeyboardInterrupt:
            raise Mistake("interrupted") from None


@command("help h ?", "[COMMAND]", "list the commands, or explain one", "session")
def help_(session: Session, rest: str) -> Answer:
    """See above."""
    if rest:
        found = find(rest)
        also = f"  (short: {', '.join(found.names[1:])})" if len(found.names) > 1 else ""
        return Answer(f"{found.names[0]} {found.usage}".rstrip() + f"{also}\n  {found.help}",
                      {"names": found.names, "usage": found.usage, "help": found.help})
    groups: dict[str, list[str]] = {}
    unique = {each.names[0]: each for each in COMMANDS.values()}
    for each in unique.values():
        groups.setdefault(each.group, []).append(f"  {f'{each.names[0]} {each.usage}':<34} {each.help}")
    text = "\n".join(f"{group}\n" + "\n".join(lines) for group, lines in groups.items())
    return Answer(f"{text}\nAn empty line repeats the last command. Places and expressions: docs/debugger.md",
                  {"commands": sorted(unique)})


@command("quit q exit", "", "end the session", "session")
def quit_(session: Session, rest: str) -> Answer:
    """See above."""
    raise Quit
