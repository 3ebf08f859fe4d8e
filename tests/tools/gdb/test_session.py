"""The protocol, spoken by hand."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from emu.machine import Machine
from emu.result import Reason
from tools.exit_codes import ExitCode

Serve = Callable[..., Any]              # the fixture `serve`
Guests = Any                            # the fixture `guests`

COUNTING = """
    mov ecx, 0
.Lloop:
    inc ecx
    mov [0x2000], ecx
    cmp ecx, 10
    jne .Lloop
    mov eax, ecx
    out 0xF4, eax
"""
SLEEPING_FOR_EVER = """
    mov al, 0xFF                ; every interrupt masked
    out 0x21, al
    mov al, 0x34                ; and a timer running
    out 0x43, al
    mov al, 0
    out 0x40, al
    out 0x40, al
    sti
    hlt
"""
BUSY = "jmp ."


def registers(client: Any) -> dict[str, int]:
    """The general registers and what follows them."""
    data = bytes.fromhex(client.ask("g"))
    names = ("eax", "ecx", "edx", "ebx", "esp", "ebp", "esi", "edi", "eip", "eflags", "cs", "ss")
    return {name: int.from_bytes(data[4 * at:4 * at + 4], "little") for at, name in enumerate(names)}


def wait_until_it_runs(served: Any) -> None:
    """Until the guest has run a bit: cycles, because a sleeping one retires nothing."""
    until = time.monotonic() + 30
    while served.machine.cpu.state.cycles < 1000:
        assert time.monotonic() < until
        time.sleep(0.01)


def test_the_guest_waits_for_gdb_in_front_of_its_first_instruction(serve: Serve, guests: Guests) -> None:
    served = serve(guests.of(COUNTING))
    client = served.connect()
    assert registers(client)["eip"] == served.machine.image.entry
    assert served.machine.counters.instructions == 0


def test_gdb_learns_what_is_supported(serve: Serve, guests: Guests) -> None:
    client = serve(guests.of(COUNTING)).connect()
    features = client.ask("qSupported:multiprocess+;swbreak+;xmlRegisters=i386").split(";")
    assert {"QStartNoAckMode+", "qXfer:features:read+", "swbreak+", "ReverseContinue+", "QNonStop-"} <= set(features)


def test_what_is_not_known_gets_an_empty_reply(serve: Serve, guests: Guests) -> None:
    client = serve(guests.of(COUNTING)).connect()
    for packet in ("vMustReplyEmpty", "!", "R00", "qTStatus", "QPassSignals:e", "Z7,0,1", "y", ""):
        assert client.ask(packet) == "", packet


MALFORMED = (
    "m", "m0", "mx,4", "m0,-1", "m123456789,4", "M0,4:zz", "M0,2:00", "X0,5:ab", "p", "pz", "pffff", "P0", "P0=0",
    "P0=000000000000", "G00", "Gxx", "Z0", "Z0,x,1", "H", "Hg", "Hgx", "T", "vCont;", "vCont;q", "vCont;r1", "vCont;;",
    "qXfer:features:read:target.xml:0", "qXfer:features:read:target.xml:x,1", "qRcmd,zz", "QNonStop:2", "cx", "sx",
    "C")


def test_what_is_malformed_gets_an_error(serve: Serve, guests: Guests) -> None:
    client = serve(guests.of(COUNTING)).connect()
    for packet in MALFORMED:
        assert re.match("E", client.ask(packet)), packet
        assert client.ask("?").startswith("T05")


LIKELY = st.from_regex(r"[gGpPmMXzZHTvqQ?][0-9a-f,:;=]{0,20}").map(str.encode)


@given(st.lists(st.one_of(st.binary(max_size=40), LIKELY), max_size=20))
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_no_packet_is_the_end_of_the_server(shared: Any, packets: list[bytes]) -> None:
    client = shared.connect()
    for packet in packets:
        if not re.match(b"[cCsSDkb]|v(Cont|Kill)|QStart", packet):
            client.ask(packet.translate(None, b"#$}"))
    assert client.ask("qC").startswith("QC")
    client.close()


@pytest.fixture
def shared(serve: Serve, guests: Guests) -> Any:
    return serve(guests.of(COUNTING))


def test_a_wrong_checksum_is_answered_with_a_minus(serve: Serve, guests: Guests) -> None:
    client = serve(guests.of(COUNTING)).connect()
    client.raw(b"$?#00")
    assert client.acknowledgement() == b"-"
    assert client.ask("?").startswith("T05")


def test_a_reply_is_sent_again_when_it_was_not_understood(serve: Serve, guests: Guests) -> None:
    client = serve(guests.of(COUNTING)).connect()
    first = client.ask("?")
    client.raw(b"-")
    assert client.reply() == first


def test_acknowledgements_can_be_left_out(serve: Serve, guests: Guests) -> None:
    client = serve(guests.of(COUNTING)).connect()
    assert client.ask("QStartNoAckMode") == "OK"
    client.send("qC")
    assert client.acknowledgement() == b"$"


def test_memory_is_read_and_written(serve: Serve, guests: Guests) -> None:
    client = serve(guests.of(COUNTING)).connect()
    assert client.ask("M3000,4:01020304") == "OK"
    assert client.ask(b"X3004,3:a}\x03b") == "OK"       # an escaped # among them
    assert client.ask("m3000,8") == "0102030461236200"


def test_a_missing_page_is_an_error(serve: Serve) -> None:
    served = serve("hello")
    client = served.connect()
    assert client.ask(f"Z0,{served.machine.address('start'):x},1") == "OK"
    client.ask("c")
    assert client.ask("m0,4") == "E0e"
    assert client.ask("M0,1:00") == "E0e"


def test_reading_stops_at_a_missing_page(serve: Serve) -> None:
    served = serve("hello", memory=1 << 20 << 3)
    client = served.connect()
    end = served.machine.ram.size
    assert client.ask(f"m{end - 2:x},8") == "0000"


def test_registers_are_read_and_written(serve: Serve, guests: Guests) -> None:
    served = serve(guests.of(COUNTING))
    client = served.connect()
    assert client.ask("P0=78563412") == "OK"
    assert client.ask("p0") == "78563412"
    assert served.machine.cpu.registers.eax == 0x12345678
    everything = client.ask("g")
    assert client.ask("G" + "01000000" + everything[8:]) == "OK"
    assert registers(client)["eax"] == 1


def test_a_segment_register_cannot_be_changed(serve: Serve, guests: Guests) -> None:
    client = serve(guests.of(COUNTING)).connect()
    assert client.ask("Pa=10000000").startswith("E.register cs cannot be changed")


def test_the_description_has_every_register(serve: Serve, guests: Guests) -> None:
    from xml.etree import ElementTree

    client = serve(guests.of(COUNTING), cpu="p3-500").connect()
    text, part = "", "m"
    while part.startswith("m"):
        part = client.ask(f"qXfer:features:read:target.xml:{len(text):x},200")
        text += part[1:]
    found = [(reg.attrib["name"], int(reg.attrib["bitsize"])) for reg in ElementTree.fromstring(text).iter("reg")]
    assert sum(bits for _, bits in found) // 8 == len(client.ask("g")) // 2
    assert {"eax", "st7", "fop", "xmm7", "mxcsr", "cr0", "cr3", "gdtr_base", "cpl"} <= {name for name, _ in found}


def test_a_processor_without_sse_has_none_of_its_registers(serve: Serve, guests: Guests) -> None:
    client = serve(guests.of(COUNTING), cpu="p5-166").connect()
    assert "xmm" not in client.ask("qXfer:features:read:target.xml:0,2000")


@pytest.mark.parametrize(("kind", "said"), [(0, "swbreak:;"), (1, "hwbreak:;")])
def test_a_breakpoint_stops_in_front_of_it(serve: Serve, guests: Guests, kind: int, said: str) -> None:
    served = serve(guests.of(COUNTING))
    client = served.connect()
    place = served.machine.image.entry + 10                     # inc ecx
    before = served.machine.ram.read(place, 4)
    assert client.ask(f"Z{kind},{place:x},1") == "OK"
    assert client.ask("vCont;c").endswith(said)
    assert registers(client)["eip"] == place
    assert served.machine.ram.read(place, 4) == before
    assert client.ask(f"z{kind},{place:x},1") == "OK"
    assert client.ask("vCont;c") == "W0a"
    assert client.is_closed()


def test_a_breakpoint_in_front_of_the_next_instruction_stops_at_once(serve: Serve, guests: Guests) -> None:
    served = serve(guests.of(COUNTING))
    client = served.connect()
    client.ask(f"Z0,{served.machine.image.entry:x},1")
    client.ask("c")
    assert served.machine.counters.instructions == 0


def test_a_step_runs_one_instruction(serve: Serve, guests: Guests) -> None:
    served = serve(guests.of(COUNTING))
    client = served.connect()
    for count in range(1, 8):
        assert client.ask("vCont;s:1;c").startswith("T05")
        assert served.machine.counters.instructions == count


def test_a_range_is_stepped_through(serve: Serve, guests: Guests) -> None:
    served = serve(guests.of(COUNTING))
    client = served.connect()
    start = served.machine.image.entry
    client.ask(f"vCont;r{start:x},{start + 10:x}:1")
    assert registers(client)["eip"] == start + 10


def test_the_exit_code_of_the_guest_ends_the_session(serve: Serve, guests: Guests) -> None:
    served = serve(guests.of(COUNTING))
    client = served.connect()
    assert client.ask("c") == "W0a"
    result, chosen = served.wait()
    assert (result.reason, result.exit_code, chosen) == (Reason.EXIT, 10, None)


def test_a_guest_that_cannot_go_on_can_be_looked_at(serve: Serve, guests: Guests) -> None:
    client = serve(guests.of("cli\nhlt")).connect()
    assert client.ask("c").startswith("T06")
    assert "nothing can wake the processor" in client.said
    assert registers(client)["esp"] == 0x90000


@pytest.mark.parametrize("guest", [BUSY, SLEEPING_FOR_EVER])
def test_ctrl_c_stops_a_guest(serve: Serve, guests: Guests, guest: str) -> None:
    served = serve(guests.of(guest))
    client = served.connect()
    client.send("vCont;c")
    wait_until_it_runs(served)
    asked = time.monotonic()
    client.raw(b"\x03")
    assert client.reply().startswith("T02")
    assert time.monotonic() - asked < 2


def test_ctrl_c_while_the_guest_stands_is_no_matter(serve: Serve, guests: Guests) -> None:
    client = serve(guests.of(COUNTING)).connect()
    client.raw(b"\x03")
    assert client.ask("vCont;s:1").startswith("T05")


def test_after_a_detach_the_guest_runs_to_its_end(serve: Serve, guests: Guests) -> None:
    served = serve(guests.of(COUNTING))
    client = served.connect()
    client.ask(f"Z0,{served.machine.image.entry + 10:x},1")
    assert client.ask("D") == "OK"
    assert served.wait()[0].exit_code == 10


def test_another_gdb_may_come_after_a_detach(serve: Serve, guests: Guests) -> None:
    served = serve(guests.of(BUSY))
    client = served.connect()
    assert client.ask("D") == "OK"
    wait_until_it_runs(served)
    again = served.connect()
    assert again.ask("?").startswith("T05")
    assert served.machine.counters.instructions > 0


def test_after_a_lost_connection_the_guest_stands_still(serve: Serve, guests: Guests) -> None:
    served = serve(guests.of(COUNTING))
    client = served.connect()
    client.ask("s")
    client.close()
    again = served.connect()
    assert again.ask("?").startswith("T05")
    assert served.machine.counters.instructions == 1


def test_a_connection_lost_while_the_guest_runs_stops_it(serve: Serve, guests: Guests) -> None:
    served = serve(guests.of(BUSY))
    client = served.connect()
    client.send("c")
    wait_until_it_runs(served)
    client.close()
    assert served.connect().ask("?").startswith("T05")
    assert served.machine.counters.instructions > 0


def test_a_kill_ends_the_run(serve: Serve, guests: Guests) -> None:
    served = serve(guests.of(BUSY))
    client = served.connect()
    client.send("k")
    assert served.wait()[1] == ExitCode.KILLED


def test_a_second_gdb_is_sent_away(serve: Serve, guests: Guests, capfd: pytest.CaptureFixture[str]) -> None:
    served = serve(guests.of(COUNTING))
    client = served.connect()
    client.ask("?")
    assert served.connect().is_closed()
    assert client.ask("?").startswith("T05")
    assert "a second gdb, from 127.0.0.1, was sent away" in capfd.readouterr().err


def test_there_is_no_non_stop_mode(serve: Serve, guests: Guests) -> None:
    client = serve(guests.of(COUNTING)).connect()
    assert client.ask("QNonStop:0") == "OK"
    assert client.ask("QNonStop:1").startswith("E.")


def test_the_terminal_can_end_a_run_under_gdb(serve: Serve, guests: Guests) -> None:
    served = serve(guests.of(BUSY))
    client = served.connect()
    client.send("c")
    wait_until_it_runs(served)
    served.stop()
    result, chosen = served.wait()
    assert (result.reason, chosen) == (Reason.STOPPED, None)
    assert client.is_closed()


def test_files_of_a_built_image_are_read_from_the_machine(serve: Serve) -> None:
    served = serve("hello")
    client = served.connect()
    assert "qXfer:exec-file:read+" in client.ask("qSupported")
    assert client.ask("qXfer:exec-file:read:1:0,100") == "l/hello.elf"
    kernel, program = (client.ask(f"vFile:open:{name.hex()},0,0") for name in (b"/hello.elf", b"/hello/hello.elf"))
    assert kernel != program
    assert client.ask(f"vFile:pread:{kernel[1:]},4,0").startswith("F4;\x7fELF")
    assert client.ask(f"vFile:fstat:{kernel[1:]}").startswith("F40;")
    assert client.ask(f"vFile:close:{kernel[1:]}") == "F0"
    assert client.ask(f"vFile:pread:{kernel[1:]},4,0") == "F-1,9"
    assert client.ask(f"vFile:open:{b'/etc/passwd'.hex()},0,0") == "F-1,2"


def test_an_unknown_kernel_has_one_thread(serve: Serve, guests: Guests) -> None:
    client = serve(guests.of(COUNTING)).connect()
    assert client.ask("qfThreadInfo") == "m1"
    assert client.ask("qsThreadInfo") == "l"
    assert client.ask("T1") == "OK"
    assert client.ask("T2") == "E03"
    assert bytes.fromhex(client.ask("qThreadExtraInfo,1")) == b"the processor"


def test_a_debugged_run_is_the_same_run(serve: Serve) -> None:
    alone = Machine.boot("preempt", cpu="p3-500").run()
    served = serve("preempt", cpu="p3-500")
    client = served.connect()
    place = f"{served.machine.address('switch_load'):x},1"
    stops, reply = 0, "T"
    while reply.startswith("T"):
        assert client.ask(f"z0,{place}") == "OK"
        assert client.ask("vCont;s").startswith("T05")
        assert client.ask(f"Z0,{place}") == "OK"
        reply = client.ask("vCont;c")
        stops += reply.startswith("T")
    result, _ = served.wait()
    assert stops > 10
    assert result.counters == alone.counters
