"""A test's bench: the machines that it has booted, what it wants of them, and what is left when it has failed."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, NoReturn

import pytest

from emu.cpu.layout import UnicornLayoutError
from emu.monitor.formats import text
from emu.monitor.formats.ledger import table
from emu.monitor.paths.costs import costs
from emu.monitor.paths.ledger import Place, ledger
from emu.monitor.paths.paths import NamedPath, PathError
from emu.monitor.trace.file import TraceWriter
from emu.testing import goldens
from emu.testing.budgets import Cycles
from emu.testing.guest import DEFAULT_CYCLES, Guest, named_paths
from emu.testing.pool import Booted, Pool, Wanted
from emu.timing.profile import ProfileError
from loader.image import ImageError

WRONG = (ImageError, ProfileError, PathError, UnicornLayoutError, ValueError, OSError)     # one line says it all
REGISTERS = ("eax", "ebx", "ecx", "edx", "esi", "edi", "ebp", "esp", "eip", "eflags", "cr2", "cr3")
LONGEST = 120           # rows of a ledger that are shown; of a longer one the dearest
STEPS = 5000            # instructions of the longest ledger; stepping takes time
LAST = 12               # crossings that are shown of a test that has failed


class Bench:
    """See above."""

    def __init__(self, item: pytest.Item, pool: Pool) -> None:
        self._item, self._pool = item, pool
        self.guests: list[Guest] = []
        self._ledgers: dict[str, str] = {}              # by title, of budgets that were exceeded
        self.written: list[Path] = []                   # goldens

    def machine(self, image: str | Path | None = None, *, cpu: str | Path | None = None, address: int | None = None,
                command_line: str | None = None, modules: Iterable[str] = (),
                parameters: Mapping[str, int] | None = None, memory: int | None = None, until: int | str | None = None,
                nic: str | None = None, wire: str | None = None, paths: Mapping[str, Any] | str | Path | None = None,
                **options: Any) -> Guest:
        """A machine that is the test's own.

        `image` is a name that `trapline images` lists, or a file relative to the test's folder or to rootdir: a
        manifest, an ELF or Multiboot file, or a flat file with an `address`. `until` boots on to a place, once for all
        tests. `nic` and `wire` are as on the command line, and go over those of the image. `paths` names more paths:
        {"name": {"from": ..., "to": ...}}, or a file of them. The others are those of Machine.boot and of
        loader.boot.load. What is not given comes from the test's markers, `cpu` then from --trapline-cpu. The test
        fails with one line if something is wrong with them.
        """
        __tracebackhide__ = True
        marked = self._item.get_closest_marker("image")
        if image is None and marked is None:
            pytest.fail("machine(): name an image, or mark the test with @pytest.mark.image(NAME)")
        if image is None and marked is not None:
            given = {"cpu": cpu, "address": address, "command_line": command_line, "modules": tuple(modules) or None,
                     "parameters": parameters, "memory": memory, "until": until, "nic": nic, "wire": wire,
                     "paths": paths}
            return self.machine(*marked.args, **{**marked.kwargs, **options,
                                                 **{name: value for name, value in given.items() if value is not None}})
        profile = self._item.get_closest_marker("profile")
        chosen = cpu or (profile.args[0] if profile else None) or self._item.config.getoption("trapline_cpu")
        wanted = Wanted(self._file(str(image)), address, command_line, tuple(map(self._module, modules)),
                        tuple(sorted((parameters or {}).items())), self._file(str(chosen)) if chosen else None,
                        16 << 20 if memory is None else memory, until, tuple(sorted(options.items())), nic, wire)
        wrong = ""
        try:
            booted = self._pool.take(wanted)
            files = booted.machine.image.path_files if booted.machine.image else []
            more = self._file(str(paths)) if isinstance(paths, str | Path) else paths
            guest = Guest(booted, self._limits(), named_paths(files, more))
        except WRONG as error:
            wrong = _line(error)
        if wrong:
            pytest.fail(wrong, pytrace=False)
        self.guests.append(guest)
        return guest

    def cycles(self, path: str, machine: Guest | None = None) -> Cycles:
        """What a path has cost so far. The test fails if there is no such path, or the run never went along it."""
        __tracebackhide__ = True
        guest = self._one(machine)
        self._whole(guest)
        found = costs([self._path(guest, path)], guest.crossings, guest.names, guest.roster.spaces)[0]
        if not found.count:
            self._fail_unseen(guest, found.path)
        return Cycles(found, lambda occurrence: self._ledger(guest, path, occurrence))

    def assert_trace(self, path: str | None, golden: str | Path, machine: Guest | None = None, *,
                     cycles: bool = False, marks: bool = False) -> None:
        """Fail unless the first occurrence of a path, or with None the whole run, is as in the golden file."""
        __tracebackhide__ = True
        guest = self._one(machine)
        self._whole(guest)
        crossings = guest.crossings
        if path is not None:
            named = self._path(guest, path)
            pairs = named.occurrences(crossings, guest.names, guest.roster.spaces)
            if not len(pairs):
                self._fail_unseen(guest, named)
            crossings = goldens.first_crossings(crossings, pairs)
        crossings = goldens.compared(crossings, cycles, marks)
        lines = goldens.lines_of(guest, crossings, cycles)
        file = self._item.path.parent / golden
        title = f"{path or 'all crossings'} of {guest.title if cycles else guest.title.split(' on ')[0]}"
        if self._item.config.getoption("trace_update"):
            goldens.write(file, title, lines)
            self.written.append(file)
            return
        if not file.is_file():
            pytest.fail(f"there is no golden trace {file}: make it with pytest --trace-update, and look at it")
        different = goldens.difference(file, lines)
        if different:
            at, shown = different
            registers = self._registers(guest, crossings[at]) if at < len(crossings) == len(lines) else ""
            pytest.fail(f"{title} is not as in {file}: {shown}\n{registers}if that is right: pytest --trace-update")

    def check_budgets(self, markers: Iterable[pytest.Mark]) -> None:
        """Fail if a machine has exceeded the budget of a marker."""
        __tracebackhide__ = True
        if not self.guests:
            pytest.fail("marker budget: the test has booted no machine", pytrace=False)
        for marker in markers:
            path, limit = marker.args
            for guest in self.guests:
                try:
                    spent = self.cycles(path, guest)
                except pytest.fail.Exception as failed:
                    failed.pytrace = False                  # no line of the test is to blame
                    raise
                if spent > limit:
                    spent.ledger()
                    pytest.fail(f"a budget of {limit:,} cycles is exceeded on {guest.title}: {spent.summary()}\n"
                                f"the ledger of {path} follows below", pytrace=False)

    def sections(self) -> list[tuple[str, str]]:
        """What the report of a failure shows, by title; writes the traces."""
        sections = list(self._ledgers.items())
        for number, guest in enumerate(self.guests):
            cpu = guest.machine.cpu
            lines = [f"stands at {guest.where()}, ring {cpu.cpl}, cycle {cpu.state.cycles:,}, instruction "
                     f"{cpu.state.instructions:,}"]
            if guest.result:
                detail = f": {guest.result.detail}" if guest.result.detail else ""
                code = "" if guest.exit_code is None else f" (exit code {guest.exit_code})"
                lines.append(f"the last run ended by {guest.result.reason}{code}{detail}")
            recent = goldens.trace_of(guest, guest.crossings[-LAST:])
            lines += ["the last crossings:", *(f"  {line}" for line in text.crossings(recent))]
            lines.append(self._keep(guest, self._trace_file(number)))
            sections.append((f"trapline: {guest.title}", "\n".join(lines)))
        return sections

    def forget_traces(self) -> None:
        """The test has not failed: what was left when it did last is no longer true."""
        for number in range(len(self.guests)):
            self._trace_file(number).unlink(missing_ok=True)

    def close(self) -> None:
        """Give the machines back."""
        for guest in self.guests:
            guest.close()
            self._pool.give_back(guest.booted)
        self.guests = []

    def _keep(self, guest: Guest, path: Path) -> str:
        """Write the trace of a machine: a line that says where."""
        trace = goldens.trace_of(guest, guest.crossings)
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            with TraceWriter(path, trace.head, trace.names) as writer:
                writer.crossings(trace.crossings)
                writer.finish(trace.end.counters, threads=trace.end.threads, spaces=trace.end.spaces,
                              ended=guest.result.reason if guest.result else "")
        except OSError as error:
            return f"its trace could not be kept: {path}: {(error.strerror or str(error)).lower()}"
        return f"its trace: trapline trace {path}"

    def _trace_file(self, number: int) -> Path:
        config = self._item.config
        chosen = config.getoption("trace_dir")
        if chosen:
            folder = config.invocation_params.dir / chosen
        else:
            cache = getattr(config, "cache", None)
            folder = cache.mkdir("trapline") if cache else config.rootpath / ".trapline"
        name = re.sub(r"[^\w.-]+", "-", self._item.nodeid.replace("::", "-")).strip("-")[-180:]
        return Path(folder) / f"{name}{f'-{number + 1}' if number else ''}.trace"

    def _ledger(self, guest: Guest, path: str, occurrence: Any) -> str:
        """The ledger of an occurrence: the run is made again on another machine."""
        count = int(occurrence["instructions"])
        if count > STEPS:
            found = f"no ledger: {count:,} instructions would be too many to look at"
        else:
            found = self._step_through(guest, occurrence)
        self._ledgers[f"trapline: ledger of {path} on {guest.title}"] = found
        return found

    def _step_through(self, guest: Guest, occurrence: Any) -> str:
        booted: Booted | None = None
        try:
            booted = self._pool.take(guest.booted.again)
            begin, end = (Place(int(occurrence[f"{which}_instructions"]), int(occurrence[which]))
                          for which in ("begin", "end"))
            return table(ledger(booted.machine, begin, end, names=guest.names), LONGEST)
        except ValueError:
            return "no ledger: the run cannot be made again, since the test has changed the machine or given it input"
        finally:
            if booted:
                self._pool.give_back(booted)

    def _registers(self, guest: Guest, crossing: Any) -> str:
        """Lines with the registers at a crossing, "" if the run cannot be made again up to there."""
        booted = self._pool.take(guest.booted.again)
        cpu = booted.machine.cpu
        left = int(crossing["cycle"]) - cpu.state.cycles
        if left > 0:
            booted.machine.run(max_cycles=left)
        ends = int(crossing["from"]), int(crossing["to"])           # returns are recorded when they have happened
        there = cpu.state.instructions == int(crossing["instructions"]) and cpu.linear_eip in ends
        values = {name: getattr(cpu.registers, name) for name in REGISTERS} if there else {}
        self._pool.give_back(booted)
        rows = [list(values.items())[at:at + 4] for at in range(0, len(values), 4)]
        return "".join("    " + "  ".join(f"{name} {value:08x}" for name, value in row) + "\n" for row in rows)

    def _one(self, machine: Guest | None) -> Guest:
        __tracebackhide__ = True
        if machine is None and len(self.guests) != 1:
            pytest.fail(f"the test has {len(self.guests) or 'no'} machines: "
                        f"{'say which' if self.guests else 'boot one first, with the fixture machine'}")
        return machine or self.guests[0]

    def _fail_unseen(self, guest: Guest, path: NamedPath) -> NoReturn:
        __tracebackhide__ = True
        pytest.fail(f"{guest.title} never went along {path.name!r}: from {path.begin.text} to {path.end.text}")

    def _path(self, guest: Guest, name: str) -> NamedPath:
        __tracebackhide__ = True
        if name not in guest.paths:
            pytest.fail(f"{guest.title} has no path {name!r}; it has: {', '.join(sorted(guest.paths)) or 'none'}")
        return guest.paths[name]

    def _whole(self, guest: Guest) -> None:
        __tracebackhide__ = True
        if guest.lost:
            pytest.fail(f"{guest.title}: the run had more crossings than are kept, {guest.lost:,} are lost: make it "
                        "shorter, or boot with until= to where it matters")

    def _limits(self) -> dict[str, int | None]:
        marker = self._item.get_closest_marker("limits")
        limits = dict(marker.kwargs) if marker else {}
        if not limits:
            limits = {"max_cycles": DEFAULT_CYCLES}
        if limits.keys() - {"max_cycles", "max_instructions"}:
            pytest.fail("marker limits: give max_cycles, max_instructions or both", pytrace=False)
        return {"max_cycles": None, "max_instructions": None} | limits

    def _module(self, text: str) -> str:
        path, blank, arguments = text.partition(" ")
        return self._file(path) + blank + arguments

    def _file(self, text: str) -> str:
        """The full name of a file beside the test, or in rootdir; any other text as it is."""
        for folder in (self._item.path.parent, self._item.config.rootpath):
            if ("/" in text or "." in text) and (folder / text).is_file():
                return str((folder / text).resolve())
        return text


def _line(error: Exception) -> str:
    """What is wrong, in one line."""
    if isinstance(error, OSError):
        return f"{error.filename}: {(error.strerror or str(error)).lower()}"
    return str(error)
