"""A debugging session: one machine, its timeline and breakpoints, and the lines that are typed."""

from __future__ import annotations

from typing import Any

from emu.counters import Counters
from emu.decoding import Instruction
from emu.machine import Machine
from emu.monitor.inspect import code, threads
from emu.monitor.inspect.pages import AddressSpace
from emu.monitor.stops.breakpoints import Breakpoints, Stop
from emu.monitor.stops.expressions import evaluate
from emu.result import Reason
from tools.exit_codes import exit_code
from tools.serial import timeline_of
from tools.step import looking, running, stopping
from tools.step.registry import COMMANDS, Answer, Mistake, command, find
from tools.terminal import StopSignals

MODULES = (looking, running, stopping)      # that declare the commands


class Quit(Exception):
    """The session is over."""


class Session:
    """Carries out one line after another. Errors are answers, and the session goes on."""

    def __init__(self, machine: Machine, sources: tuple[str, ...] = ()) -> None:
        """`sources`: directories in which source files are looked for."""
        self.machine = machine
        self.timeline = timeline_of(machine)
        self.points = Breakpoints(self.timeline)
        self.sources = sources
        self.last_stop: Stop | None = None
        self.listed: tuple[str, int] | None = None          # source file, and the next line to show
        self.counted = Counters()                           # the counters when they were shown last
        self._repeated = ""                                 # what an empty line means
        self._heard = 0                                     # bytes of the console that have been shown

    def execute(self, line: str) -> Answer:
        """One line as typed; an empty one repeats the last, if that makes sense. Raises Mistake and Quit."""
        line = line.strip() or self._repeated
        if not line or line.startswith("#"):
            return Answer()
        name, _, rest = line.partition(" ")
        name, slash, form = name.partition("/")             # print/x and the like: the form goes in front
        wanted = find(name)
        self._repeated = line if wanted.repeats else ""
        with StopSignals(self.machine):
            try:
                return wanted.function(self, f"{slash}{form} {rest}".strip())
            except (ValueError, KeyError, threads.UnknownKernel) as error:
                raise Mistake(str(error.args[0] if error.args else error)) from None
            except KeyboardInterrupt:
                raise Mistake("interrupted") from None

    def heard(self) -> str:
        """What the guest has written to its console and nobody has been shown."""
        text = bytes(self.machine.console[self._heard:]).decode("utf-8", "replace")
        self._heard = max(self._heard, len(self.machine.console))
        return text

    @property
    def status(self) -> int:
        """The exit code of a session that ends here: the guest's own if it has ended the machine, else 0."""
        last = self.last_stop
        return exit_code(last.result) if last and last.result.reason == Reason.EXIT else 0

    # For commands

    @property
    def program(self) -> str | None:
        """The program whose names count: that of the running thread."""
        running_now = threads.on_stack(self.machine)
        return running_now.name if running_now else None

    @property
    def names(self) -> code.Names:
        """Symbols and source lines, as the running thread sees them."""
        return code.Names(self.machine, self.program)

    @property
    def space(self) -> AddressSpace:
        """The address space that is loaded."""
        return AddressSpace(self.machine)

    def instruction(self) -> Instruction | None:
        """The next instruction; None where there is none."""
        found = code.instructions(self.space, self.machine.cpu.linear_eip, 1, code.code_bits(self.machine))
        return found[0] if found else None

    def value(self, text: str) -> int:
        """The value of an expression. Raises ExpressionError."""
        return evaluate(text, self.machine)

    def where(self) -> dict[str, Any]:
        """Where the machine stands."""
        machine = self.machine
        lines = code.disassemble(machine, machine.cpu.linear_eip, 1, names=self.names)
        here = lines[0] if lines else None
        position = self.timeline.position
        running_now = threads.on_stack(machine)
        return {"eip": machine.cpu.linear_eip, "name": self.names.name(machine.cpu.linear_eip), "cpl": machine.cpu.cpl,
                "thread": f"{running_now.name} ({running_now.number})" if running_now else None,
                "cycle": position.cycles, "instructions": position.instructions,
                "instruction": here.text if here else None, "cost": here.cycles if here else None,
                "file": here.file if here else None, "line": here.line if here else None,
                "halted": machine.halted}


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
