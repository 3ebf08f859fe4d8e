"""The one definition of every constant and structure that kernel, user programs and host share.

It is rendered three ways: `constants()` for the assembler, `Layout.decode` for the host, and the reference pages
docs/guest-abi.md (`python -m guest.abi`), docs/microkernel-abi.md (`python -m guest.abi micro`),
docs/activations-abi.md (`python -m guest.abi activations`) and docs/ecalls-abi.md (`python -m guest.abi ecalls`). It
imports nothing but the standard library.
"""

from __future__ import annotations

from guest.abi import (
    activations,
    boot,
    cpu,
    dwcs,
    e1000,
    ecalls,
    fair,
    hardware,
    kernel,
    linux,
    memory,
    micro,
    net,
    network,
    readiness,
    root,
    scheduling,
    servers,
    signals,
    sockets,
    threads,
    vm,
)
from guest.abi.layout import Layout
from guest.abi.words import Word

BASIC_WORDS: tuple[type[Word], ...] = (              # the numbers of the first kernel, and of the machine
    kernel.Syscall, kernel.SyscallCount, kernel.Error, kernel.ExitCode, kernel.KernelFeature,
    memory.Parameter, memory.Memory, memory.Window, memory.Area,
    kernel.ThreadState,
    cpu.Vector, cpu.VectorSet, cpu.Selector, cpu.Access, cpu.Flags, cpu.Control, cpu.Feature, cpu.Msr,
    cpu.Paging, cpu.Page,
    hardware.Port, hardware.Pic, hardware.Pit, hardware.Uart, hardware.UartValue,
    boot.Multiboot, boot.MbiFlag, boot.MmapType, boot.Elf, boot.ElfType, boot.ElfFlag,
)
MICRO_WORDS: tuple[type[Word], ...] = (              # the microkernel's own
    micro.MicroVector, micro.MicroParameter, micro.MicroMemory, micro.MicroSize,
    micro.ThreadId, micro.Tag, micro.Label, micro.Preemption, micro.Timeout, micro.IpcError,
    micro.Item, micro.ItemShift, micro.Flexpage, micro.FlexpageShift, micro.Right, micro.Acceptor,
    micro.MicroCall, micro.MicroCallCount, micro.CallError, micro.Exreg, micro.ExregResult, micro.UnmapControl,
    micro.ScheduleState, micro.ScheduleStart, micro.KipFeature, micro.KipValue,
    micro.Kind, micro.Part, micro.MicroState,
    root.Request, root.RootThread, root.ProgramMemory, root.Line, root.Watchdog, root.Timed, root.Priority,
    root.Handler, root.DeviceCount, root.NetCall, root.NetCallCount,
)
ACTIVATIONS_WORDS: tuple[type[Word], ...] = (        # the numbers of `activations`, beside the first kernel's
    activations.ActCall, activations.ActCallCount, activations.ActError, activations.ActInput, activations.ThreadNumber,
    activations.ThreadStore, activations.Receiver, activations.ReceiverStatus,
    activations.Signal, activations.SaFlag, activations.SaLimit, activations.SaControl, activations.UpcallKind,
    activations.StateEvent, activations.ActState, activations.Work, activations.ActSize,
    threads.UserThreadSize, threads.UserPriority, threads.UserDeadline, threads.PosixError, threads.PosixValue,
)
NET_WORDS: tuple[type[Word], ...] = (                # the network's, in whatever kernel or program it is
    net.Ether, net.EtherSize, net.Arp, net.Ip, net.IpFragment, net.IpProtocol, net.Icmp,
    net.TcpFlag, net.TcpOption, net.TcpHeader, net.TcpState,
    net.Neighbour, net.NetError, net.NetTime, net.TcpTime, net.TcpEndTime,
    net.NetSize, net.TcpSize, net.TcpFinding, net.TcpLimit, net.Count,
    e1000.Pci, e1000.PciRegister, e1000.PciCommand, e1000.E1000Register, e1000.E1000Parameter, e1000.E1000Ctrl,
    e1000.E1000Receive, e1000.E1000Transmit, e1000.E1000Cause, e1000.E1000Descriptor, e1000.E1000Size,
    sockets.SocketCall, sockets.SocketCallRange, sockets.SocketFlag, sockets.SocketError, sockets.SocketKind,
    sockets.SocketSize, network.Networked, network.NetworkParameter, fair.FairTime,
    servers.SeatState, servers.SeatSize, servers.RequestFlag,
)
VM_WORDS: tuple[type[Word], ...] = (                 # of virtual machines on the microkernel
    vm.VmMemory, vm.VmUserMemory, vm.VmRequest, vm.VmLine, vm.VmInterrupt, vm.VmNumber, vm.VmSize, vm.KipStub,
    vm.VmPriority, vm.MachineState, vm.VtStatus,
)
ECALLS_WORDS: tuple[type[Word], ...] = (             # the numbers of `ecalls`, beside the network's
    ecalls.EcallsParameter, ecalls.EcallVector, ecalls.EcallCall, ecalls.EcallCallRange, ecalls.FastCall,
    ecalls.EcallError, ecalls.FastResult, ecalls.Method, ecalls.Filter, ecalls.Defer, ecalls.Organization,
    ecalls.Overflow, ecalls.EcallSize, ecalls.Probe, ecalls.BottomHalf, ecalls.Due,
    signals.Sig, signals.SigSet, signals.SigHandler, signals.SigExit, signals.SigState, signals.SigSize,
    readiness.Ready, readiness.ReadinessSize, readiness.RingOperation, readiness.IoControl,
    readiness.IoParameter,
    scheduling.Policy, scheduling.SchedulingParameter, scheduling.SchedulingLimit, scheduling.WindowFlag,
    linux.Goodness, dwcs.Share,
)
WORDS = BASIC_WORDS + MICRO_WORDS + ACTIVATIONS_WORDS + NET_WORDS + VM_WORDS + ECALLS_WORDS

BASIC_LAYOUTS: tuple[Layout, ...] = (
    cpu.FRAME, kernel.SWITCH, kernel.TCB, cpu.GATE, cpu.TSS,
    boot.MBI, boot.MMAP, boot.MODULE, boot.EHDR, boot.PHDR, boot.SHDR, boot.SYM,
)
MICRO_LAYOUTS: tuple[Layout, ...] = (
    micro.UTCB, micro.KIP, micro.STATE, micro.KTCB, micro.L4S, micro.ULS,
    root.LOCAL, root.WATCH, root.CLIENT, root.PROGRAM, root.LEASE, root.DEVICE,
    root.TIMED, root.NETCALL,
)
ACTIVATIONS_LAYOUTS: tuple[Layout, ...] = (
    activations.REGS, activations.SIGNAL, activations.SA_INIT, activations.SA_VP, activations.SA_STACK,
    activations.UPCALL, activations.SA_STATE,
    activations.NUMBER, activations.LINK, activations.ACT, activations.PROCESS, activations.VP, activations.PIPE,
    threads.QUEUE, threads.MUTEX, threads.SEMAPHORE, threads.ATTRIBUTES, threads.UT, threads.RESUME,
)
NET_LAYOUTS: tuple[Layout, ...] = (
    net.ETHER, net.ARP, net.IP, net.ICMP, net.UDP, net.TCP,
    net.NET, net.NEIGHBOUR, net.PORT, net.LISTENER, net.PEER, net.LIST, net.HALF, net.CONN,
    e1000.RDESC, e1000.TDESC, e1000.E1000,
    sockets.DATAGRAM, sockets.SOCKET, sockets.ACCOUNT, sockets.MAIL, network.TASK, fair.FAIR,
    servers.SEAT, servers.FIELD, servers.REPLY,
)
VM_LAYOUTS: tuple[Layout, ...] = (vm.VMINFO, vm.MACHINE, vm.VT)
ECALLS_LAYOUTS: tuple[Layout, ...] = (
    ecalls.ECALL_LIST, ecalls.ECALL_RING, ecalls.CONTROL, ecalls.SHAPE, ecalls.REGISTRATION,
    ecalls.SERVICE, ecalls.CHANNEL, ecalls.PCB,
    signals.SIGACTION, signals.SIGINFO, signals.SIGS, signals.SIGFIFO, signals.SIGENTRY, signals.SIGTABLE,
    scheduling.WINDOW, scheduling.SCHEDULED, linux.LINUX, dwcs.DWCS, readiness.SELECT, readiness.READINESS,
    readiness.SUBMISSION, readiness.COMPLETION, readiness.RINGS, readiness.SOCKET_INTEREST, readiness.SOCKET_READY,
    readiness.WATCHED, readiness.OPERATION, readiness.WATCHER, readiness.IO,
)
LAYOUTS = BASIC_LAYOUTS + MICRO_LAYOUTS + ACTIVATIONS_LAYOUTS + NET_LAYOUTS + VM_LAYOUTS + ECALLS_LAYOUTS

PARAMETERS = (*memory.Parameter.__members__, *micro.MicroParameter.__members__,  # what an image's manifest may set
              *network.Networked.__members__, *network.NetworkParameter.__members__,
              *e1000.E1000Parameter.__members__, "TCP_BUFFER", "TCP_CONNECTIONS", "TCP_HALVES", "SOCKETS",
              "SOCKETS_OWNED", "SOCKETS_WAITING", "SOCKETS_HALF", "MAILS", "SEATS", *ecalls.EcallsParameter.__members__,
              *readiness.IoParameter.__members__, *scheduling.SchedulingParameter.__members__)


def constants() -> dict[str, int]:
    """Every number of the ABI by its assembler name. Raises ValueError if a name is defined twice."""
    names: dict[str, int] = {}
    for words in WORDS:
        if len(words.__members__) != len(words):
            raise ValueError(f"{words.__name__}: two names have the same value, so one loses its phrase")
        _add(names, {name: int(word) for name, word in words.__members__.items()})
    for layout in LAYOUTS:
        _add(names, layout.constants())
    return names


def _add(names: dict[str, int], more: dict[str, int]) -> None:
    twice = sorted(names.keys() & more.keys())
    if twice:
        raise ValueError(f"defined twice: {', '.join(twice)}")
    names.update(more)


CONSTANTS = constants()
