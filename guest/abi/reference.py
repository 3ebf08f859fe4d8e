"""The reference pages of the ABI, rendered from its definitions: a page for each kind of kernel."""

from __future__ import annotations

from collections.abc import Sequence

from guest.abi import (
    ACTIVATIONS_LAYOUTS,
    ACTIVATIONS_WORDS,
    BASIC_LAYOUTS,
    BASIC_WORDS,
    ECALLS_LAYOUTS,
    ECALLS_WORDS,
    MICRO_LAYOUTS,
    MICRO_WORDS,
)
from guest.abi.activations import ActCall
from guest.abi.cpu import FRAME
from guest.abi.ecalls import EcallCall
from guest.abi.kernel import Syscall
from guest.abi.layout import Layout
from guest.abi.memory import PICTURE
from guest.abi.micro import MicroCall
from guest.abi.network import NetworkParameter
from guest.abi.sockets import DATAGRAM, SocketCall, SocketError, SocketFlag, SocketSize
from guest.abi.words import Word

SOCKET_WORDS = (SocketCall, SocketFlag, SocketError, SocketSize, NetworkParameter)

INTRODUCTION = """\
# The guest ABI

Rendered from `guest/abi` by `python -m guest.abi > docs/guest-abi.md`; do not edit. Names are the assembler's
constants, available in every source file without an include. What follows in prose is what a program can rely on.

## A program

A program is an ELF32 executable for the 386 that the boot loader passes as a Multiboot module; the module's string is
`name arguments`. It runs in ring 3 in an address space of its own and starts at its entry point with

| register | holds |
|---|---|
| EAX | `FEATURE_` bits: what the kernel offers |
| EBX | address of the module's string, ended by a zero byte; characters beyond 255 are cut off |
| ESP | top of the stack, just below that string, on a 4-byte boundary; nothing is pushed |
| DS, ES, SS | `SEL_UDATA`; CS is `SEL_UCODE`; FS and GS are null |
| EFLAGS | `FLAGS_USER` |
| all others | zero |

A page that holds bytes of a writable segment is writable, every other one is read-only; there is no heap. Floating
point, MMX and SSE are off (`#NM` or `#UD`): the kernel keeps no such registers for a thread. No port may be used, and
interrupts cannot be disabled (`#GP`). RDTSC and CPUID may be used.

A fault ends the program with a line on the console, `name: page fault (#PF), error code 0x6, address 0x0, at main+0x5`,
and exit code `EXIT_FAULT` + vector; the others go on. A program that ends itself with an exit code other than 0 leaves
the line `name: exit code 3`. When the last program has ended, the machine ends with the exit code of the *first* one in
the image, as with an init process: what a later program does to itself is on the console.

## A system call

Whichever way, the number is in EAX, arguments in EBX, ESI and EDI. The result is in EAX; ECX, EDX and the flags are
destroyed, all other registers are kept except where a call says that it returns something in EBX. Errors are negative.

| way in | where | before | returns |
|---|---|---|---|
| `int VECTOR_SYSCALL` | every processor | | behind the instruction |
| `sysenter` | if `FEATURE_SYSENTER` was set at the start | ECX = stack, EDX = return address | at EDX, ESP = ECX |
| `int VECTOR_GUEST` | if `FEATURE_EXCEPTION` was set, and then no other | | behind the instruction |

SYSENTER brings DF, TF, NT and AC back cleared: a program cannot single-step through it. Interrupts are off in the
kernel except while the console is waited for.

## Sockets

The kernel `network` has all this, too, and [the network](network.md): `SYS_SOCKET_LISTEN` and the calls behind it make
sockets and use them. A socket is a number; it listens for TCP connections, or is an end of one, or has a UDP port.
Addresses are doublewords whose bytes stand as one reads them, 127.0.0.1 being 0100007Fh; ports are plain numbers. What
makes no sense is answered with `ERR_ARGUMENT`, -7.

A call that waits gives the processor away until it can be done. With `SOCKET_NOW` added to the socket's number it
returns `ERR_AGAIN` instead: a program with many connections goes on with another, and when nothing can be done with
any, waits in `SYS_SOCKET_WAIT`. That tells of a socket once for all that has happened; so a program uses it then until
`ERR_AGAIN`. A connection that is new counts as something that has happened.

When a program ends, its sockets are closed. What it has written still goes.

## An example

A program that needs no library, `mine.asm`:

```asm
.text

; _start: the kernel starts the program here.
.global _start
_start:
    mov eax, SYS_WRITE
    mov ebx, text
    mov esi, text_end - text
    int VECTOR_SYSCALL
    mov eax, SYS_EXIT
    mov ebx, 0                  ; exit code
    int VECTOR_SYSCALL

.rodata

text:
    .ascii "hello from mine\\n"
text_end:
```

and an image with it, `mine.toml`, which `trapline boot mine.toml` boots:

```toml
[image]
description = "my first program"
kernel = "basic"

[[program]]
name = "mine"
sources = ["mine.asm"]
```

`guest/lib` has an entry that calls `main`, the system calls as routines, and line-wise printing: `guest/user/count.asm`
shows them in use.
"""


MICRO_INTRODUCTION = """\
# The microkernel's ABI

Rendered from `guest/abi` by `python -m guest.abi micro > docs/microkernel-abi.md`; do not edit. Names are the
assembler's constants, available in every source file without an include. Numbers of the processor, the machine and
the boot loader, which are the same for every kernel, are in [the guest ABI](guest-abi.md).

The kernel has threads, address spaces and IPC, in the words of the L4 X.2 reference manual. There are two variants,
and what this page says holds for both where it does not name one: `l4` has a scheduler in the kernel; `uls`,
user-level scheduling, has none (J. Stoess, Towards Effective User-Controlled Scheduling for Microkernel-Based
Systems, 2007).

## Threads and their names

A thread is named by an identifier, number << `ID_SHIFT` | version. Numbers below `IRQ_THREADS` are interrupt lines,
`FIRST_THREAD` is the root task's first thread. Each thread has a user-level thread control block (UTCB) of
`UTCB_AREA` bytes at `UTCB_BASE` + number * `UTCB_AREA` in its own space; the address of the running thread's stands
in `KIP_UTCB` of the kernel interface page, which every space shows at `KIP_BASE`. `UTCB_ID` says who one is,
`UTCB_PAGER` who gets its page faults, `UTCB_HANDLER` its exceptions; the program may change both.

Only threads of the root task's space may call `L4_THREAD_CONTROL`, which makes, changes and ends threads, and by that
spaces. A thread that has a pager waits for a message of that pager: MR1 is where it starts, MR2 its stack pointer. It
starts with `KIP_` bits in EAX, its UTCB's address in EDI, and zero in the other registers. DS, ES and SS are
`SEL_UDATA`; what a program loads into DS or ES may be undone at any time, and FS and GS are not kept.

## IPC

| register | before | after |
|---|---|---|
| EAX | to whom to send, or `NIL_THREAD` | from whom the message came |
| EDX | from whom to receive then, `ANY_THREAD`, or `NIL_THREAD` | destroyed |
| ECX | timeouts: send << `TIMEOUT_SEND_SHIFT` \\| receive | destroyed |
| ESI | tag, MR0 | tag of what came; `TAG_ERROR` if it failed, then `UTCB_ERROR` says why |
| EBX, EDI | MR1, MR2 | MR1, MR2 |
| EBP | | kept by `call KIP_CODE`, else destroyed |

`call KIP_CODE` is the way to make one: the routine there does what the processor does best. `int VECTOR_IPC` works on
every processor. MR3 and up stand in the UTCB, from `UTCB_MR3` on. What the manual calls call is an IPC to and from
the same thread; reply and wait is one to somebody and from `ANY_THREAD`. Timeouts are `TIMEOUT_NEVER`, `TIMEOUT_ZERO`
and, in `l4`, those that the manual's format can say; `uls` takes every other one as `TIMEOUT_ZERO`.

The tag says how many words follow: first untyped ones, which are copied as they are, then typed ones, two for an
item:

| item | first word | second word |
|---|---|---|
| string | length << `ITEM_SHIFT` \\| `ITEM_STRING` | address |
| map, grant | send base \\| `ITEM_MAP` or `ITEM_GRANT` | flexpage: base \\| log2 size << `FPAGE_SHIFT` \\| rights |

The receiver says in BR0 what it takes: a flexpage to which maps may go, and `ACCEPT_STRINGS`; its buffers for strings
are string items from BR1 on, all but the last with `ITEM_MORE`. Where the flexpages of both sides differ in size, the
send base says which part of the larger one is meant. A grant is a map after which the sender has the pages no more.
If a page of a string is missing, its pager is asked amid the transfer. `L4_UNMAP` takes rights back from all who have
pages from the caller, directly or not.

Call and reply and wait, with untyped words only, to a thread that waits for it: that is the fast path.

## Memory and devices

The root task has all memory for programs, from `KIP_MEMORY` to `KIP_MEMORY_END`, one to one, and what the boot loader
left to read; others have what they are given. It has devices, too: physical address a from `DEVICE_BASE` on is its
a - `DEVICE_BASE` + `ROOT_DEVICES`. All that comes by a touch, or when it is mapped to somebody; of devices only what a
flexpage begins with. A page of a device goes on like any other, but it is no memory: only the program itself can read
or write there, so the kernel takes no string from it and puts none into it. Devices are found with `L4_PCI_READ` and
`L4_PCI_WRITE`. An interrupt line gets its handler by `L4_THREAD_CONTROL`: the line's thread, in its own space, with
the handler as pager.

## Who gets the processor

An IPC that blocks its caller and sets one partner going gives the partner the processor at once, in both variants; in
`l4` along with what is left of the time slice. All else depends on the variant.

In `l4` the more important of two threads that can run goes first; of equals, by turns of a time slice. `L4_SCHEDULE`
sets priority, slice and quantum of a thread; its scheduler alone may, and not above its own priority.

In `uls` one thread can run. Where two could, the caller's `TAG_GRANT` decides: clear, the caller keeps the processor;
set, its partner gets it. The other one *loses*: the kernel sends a message to its scheduler in its name
(`LABEL_PREEMPTION`, a `STATE` from MR1 on), and it waits for the reply, which gives it the processor again and may
bring new registers (`STATE_WORDS` words). So does a thread that an interrupt takes the processor from. If the
scheduler waited for the message, it could run, too, and loses in turn, unless it is above the winner in the hierarchy
of schedulers; then the winner loses. So the chain of messages ends at the lowest scheduler that both have. A
scheduler should look with `TIMEOUT_ZERO` for what else has come. If nobody can run, the root scheduler gets
`LABEL_IDLE`, and it alone may execute HLT, which an interrupt or a pending message ends. `L4_THREAD_SWITCH` is a
preemption that one asks for.

## Messages of the kernel

Each is an IPC from the thread that it is about; the reply lets the thread go on. `Label` below names them:
interrupts, to the thread that `L4_THREAD_CONTROL` has attached to the line; page faults, whose reply maps the page;
exceptions and preemptions, whose reply may change the registers; the idle message, which wants no reply. A thread
whose message nobody takes stops with a line on the console; if it is the root task's, the machine ends with
`EXIT_FAULT` plus the vector.

## A program

`mine.asm` is a root task that does nothing but greet; for one that starts programs, see `guest/user/micro/root.asm`.

```asm
.text

; _start: the kernel starts the root task here, without a stack.
.global _start
_start:
    mov edi, text
    mov esi, text_end - text
.Lmore:
    mov eax, KDB_WRITE          ; takes as many bytes as the UART has room for
    mov ebx, edi
    mov ecx, esi
    int VECTOR_SYSCALL
    add edi, eax
    sub esi, eax
    jnz .Lmore
    mov eax, KDB_EXIT
    mov ebx, 0                  ; exit code
    int VECTOR_SYSCALL

.rodata

text:
    .ascii "hello from mine\\n"
text_end:
```

`mine.toml`, which `trapline boot mine.toml` boots, with kernel `uls` or `l4`:

```toml
[image]
description = "my first root task"
kernel = "uls"

[[program]]
name = "mine"
base = 0x40000000
sources = ["mine.asm"]
```

`guest/lib/micro` has these calls as routines; [beyond the paper](microkernel-extensions.md) is what else there is.
"""


ACTIVATIONS_INTRODUCTION = """\
# The ABI of `activations`

Rendered from `guest/abi` by `python -m guest.abi activations > docs/activations-abi.md`; do not edit. Names are the
assembler's constants, available in every source file without an include.

The kernel `activations` is a small Unix: processes of several threads that wait for each other, for pipes, for input
and for ticks; signals; and upcalls, by which a library schedules threads of its own (V. Danjean, R. Namyst,
Controlling Kernel Scheduling from User Space, 2003), beside the scheduler activations of T. Anderson et al., 1991,
from which they come. It grows out of the first kernel: all that [the guest ABI](guest-abi.md) says holds here, too,
and every program for the first kernel runs unchanged. Numbers of the processor, the machine and the boot loader are
on that page.

## Processes and threads

A process is a module's ELF file in an address space of its own. It begins with one thread, as the guest ABI says; the
program's number is `SYS_PROCESS`, the thread's `SYS_SELF`. `SYS_THREAD_CREATE` makes another: it starts at an entry,
on a stack that the caller gives, with an argument in EAX and zero in all other registers. Threads of all processes
take turns, round robin, a tick at a time.

`SYS_THREAD_EXIT` ends a thread; it is remembered until another joins it. The number of a thread that was joined is not
used again soon: the same index comes back with another generation. `SYS_EXIT`, a fault of any thread, and the end of
the last thread end the process, whatever its other threads wait for.

`SYS_MEMORY` gives a process new pages of zeros. It begins behind the highest segment, with a page between that stays
unmapped. There is no way to give them back.

## Waiting

Calls that wait: `SYS_SLEEP`, `SYS_READ`, `SYS_WRITE_PIPE`, `SYS_THREAD_JOIN`. Who has waited longest goes first. A read
waits until there is anything at all and takes what there is, up to the length; a write waits until there is room for
anything and puts in what fits: so either may return less than was asked. A read or write wakes one thread that can make
use of it.

The console's input is a pipe into which the UART writes. Every process may read it; a byte goes to one of them. What
comes while it is full is lost; so is, beyond the UART's own FIFO, what comes before the first program has asked for it.

## Signals

A signal is sent to a thread (`SYS_SIGNAL_SEND`), or to a process (`SIGALRM` by `SYS_SIGNAL_TIMER`, `SIGIO` by
`SYS_SIGNAL_INPUT`). One to a process goes to the running thread if it is of that process, else to one that can run,
else to one that waits, but never to one that masks it; if all mask it, it stays pending. A signal without a handler
is dropped. Pending is a bit: a signal that is sent twice before it is handled is handled once.

Where a thread would go back to its program, it enters the handler instead, with a `SIGNAL` on its stack:

```
    previous ESP ->  ....................
                     SIGNAL_REGS          all registers of what was interrupted
                     SIGNAL_MASKED        what was masked
                     SIGNAL_NUMBER        the signal
             ESP ->  SIGNAL_RETURN        the trampoline
```

The signal is masked while its handler runs. The handler ends with RET, and the trampoline is no more than

```asm
    mov eax, SYS_SIGNAL_RETURN
    int VECTOR_SYSCALL
```

in place, because the kernel finds the frame by ESP. Everything goes on as the frame says: registers, flags, segments,
and what is masked. Of several signals at once, the one with the highest number is handled first. A handler begins
with the general registers of what it interrupts, `FLAGS_USER`, and user segments in DS and ES. Handlers nest, as long
as the stack lasts: a frame for which there is no stack ends the process like a page fault there.

A call that waits ends with `ERR_INTERRUPTED` when a signal is handled, and has done nothing: it may be made again.
That holds also if the signal came before the wait began. A call that has something to return does return it; the
handler runs between its return and the next instruction.

## Upcalls

`SYS_SA_INIT` makes the calling thread the first activation of a virtual processor (VP); it is the process's own
business from then on which of its threads runs there. The kernel tells it, by upcalls, what it must know for that, and
no more: that the kernel runs other processes meanwhile is not reported.

| event | what happens |
|---|---|
| the activation blocks | an unblocked one goes on in the VP (`UPCALL_RESTARTED`), else a new one (`UPCALL_NEW`) |
| a blocked one could go on | it stays in the kernel, and the one that runs is told (`UPCALL_UNBLOCK`) |
| the library resumes it | `SYS_SA_CONTROL`, `SA_RESTART_UNBLOCKED`: the caller ends, the other returns |

An upcall is a jump to an entry, on the stack of the current activation, below what it interrupts; nothing is saved,
and nothing is in the kernel afterwards. What the entry finds at ESP is an `UPCALL`, the ids, and directly below the
previous stack pointer the previous EIP:

```
    previous ESP ->  ....................
                     previous EIP         <- UPCALL_ESP points here
                     ids, UPCALL_COUNT of them
             ESP ->  UPCALL
```

So a trampoline that has put back the registers it used ends with `mov esp, [esp + UPCALL_ESP]` and RET, and needs no
system call. Flags are the program's to keep, too. In front of an upcall the kernel sets the VP's lock (`SA_VP_LOCK`)
to 1; while it is set no upcall comes, so the library clears it at the end of a handler, and sets it around what a
handler must not see half done. What came meanwhile is told later: the kernel sets `SA_VP_PENDING`, and the next
return from the kernel, such as from `SA_DELIVER`, brings the upcall. An activation that blocks while the lock is set
counts as running, and goes on when its wait is over as if nothing had been.

Several events make one upcall, so a block upcall may list activations that have unblocked, too. It lists `SA_EVENTS`
at most; `SA_VP_PENDING` says then that there are more. An activation goes on at its program's wish only, but for two
cases: another one of its process has blocked (the oldest unblocked one goes on, one of the same VP if there is any), or
the current one has ended. Then it is told so in an upcall of its own: `UPCALL_RESTARTED`, or `UPCALL_UNBLOCK` with
itself among the ids. If nobody is unblocked when the current one ends, the first that unblocks goes on like this.

An activation that has gone on may find that another thread has taken what it was woken for, and wait again. If the
program restarted it, it is told that it has blocked (`UPCALL_BLOCKED`), whatever the lock: who set that is gone. If the
kernel did, and it never got back to the program, the program still counts it among the unblocked and may restart it,
with the same result.

`SYS_SA_REVOKE` returns at once if something has unblocked that is not told yet: so a library that holds the lock from
its look for a ready thread to that call loses no wake-up. Another VP begins with `UPCALL_START` when it is requested.
Each has a lock and upcalls of its own; an activation that is restarted belongs to the VP where that was done. With
several VPs an activation may have gone on elsewhere before a restart of it: the answer is `ERR_ACTIVATION`.

A stack that has no room for an upcall ends the process, like a page fault there.

Beyond the paper, for those who ask for it:

- `SYS_SA_TIMER`: a program that computes for long gets `UPCALL_TIMER`. It is charged at ticks, with the cycles since
  the tick before, or since the last upcall or restart if that was later. Another upcall takes the place of this one.
- `SA_INIT_SECOND`, an entry on a second stack. It gets what the lock has delayed for `SA_INIT_BOUND` cycles, at the
  next return from the kernel: the kind has `UPCALL_SECOND` added, UPCALL stands on the second stack, and UPCALL_ESP
  points to the interrupted one. All this is told again when the lock is free. And it gets an activation that blocks
  while the lock is set: a new one runs there (`UPCALL_NEW` + `UPCALL_SECOND`), without a right to what the lock
  protects, until the other's wait is over; then that one goes on, and is told when the lock is free, with the second
  one, which is unblocked. Meanwhile nobody can be restarted. `SA_VP_SECOND` is 0 while the stack is in use.

With `SA_ORIGINAL` it is the model of 1991: every event begins a fresh activation on a fresh stack (`SA_STACK`), with
the states of the activations it stopped (`SA_STATE`), which are gone then: those that have unblocked, which have
finished their calls before, and the one that ran, if one did. `SYS_SA_RESTORE` goes on with such a state and frees
the lock. The lock delays events as above, which that model did not have: it asked for programs that can be entered
again anywhere. Without a free stack an event waits, and a call that would block fails with `ERR_MEMORY`. None is ever
restarted.

`guest/lib/threads` is a thread library on all this.
"""


def reference() -> str:
    """The first kernel's page, as Markdown; it has the numbers of the processor and the machine, too."""
    picture = ["## Address space\n", "```", PICTURE + "```", ""]
    return _page([INTRODUCTION, *picture], (*BASIC_WORDS, *SOCKET_WORDS), (*BASIC_LAYOUTS, DATAGRAM))


def micro_reference() -> str:
    """The microkernel's page, as Markdown."""
    return _page([MICRO_INTRODUCTION], MICRO_WORDS, MICRO_LAYOUTS)


def activations_reference() -> str:
    """The page of `activations`, as Markdown."""
    return _page([ACTIVATIONS_INTRODUCTION], ACTIVATIONS_WORDS, ACTIVATIONS_LAYOUTS)


ECALLS_INTRODUCTION = """\
# The ABI of `ecalls`

Rendered from `guest/abi` by `python -m guest.abi ecalls > docs/ecalls-abi.md`; do not edit. Names are the assembler's
constants, available in every source file without an include.

The kernels `ecalls` and `ecalls-dwcs` have events between programs and extensions of the kernel (C. Poellabauer, K.
Schwan and R. West, Lightweight Kernel/User Communication for Real-Time and Multimedia Applications, 2001), and what
these are compared with. They differ in the scheduler alone. Both grow out of the first kernel and of `network`: all
that [the guest ABI](guest-abi.md) says holds here, too, sockets included. [ECalls](ecalls.md) says how it all fits
together.

## Channels

`SYS_ECALLS_REGISTER` makes a channel between a program and the extension that offers a service of that name. Each
channel has a data segment for either direction, in pages that are never taken away: what the program tells at
`ECALL_TELL + ECALL_SPAN * channel`, what the kernel tells at `ECALL_HEAR + ECALL_SPAN * channel`, both with a
`CONTROL` in front. Each begins with `flag`, the number of events that have not been heard; the service says how the
rest is organized:

| organization | behind flag | an event |
|---|---|---|
| `DATA_NEXT` | `ECALL_LIST` | goes to the first slot that is free |
| `DATA_PRIORITY` | `ECALL_LIST` | goes to the slot of its priority; slot 0 is read first |
| `DATA_TYPE` | `ECALL_LIST` | goes to the slot of its type, over what is there |
| `DATA_RING` | `ECALL_RING` | goes behind the last one |
| `DATA_NONE` | as the service says | |

Who tells writes the entry first, then its bit or `back`, then flag; who hears takes the entry first. The kernel may
do its part between any two instructions of the program's. What finds no room is counted in `CONTROL_LOST`; with
`OVERFLOW_OLDEST` the oldest of a ring makes room, so a program moves `front` by CMPXCHG, and looks again if it has
moved.

## Events of programs

A Fast User-ECall is `int VECTOR_ECALL`, or SYSENTER, with `ECALL_FAST` plus the channel's number in EAX and an
argument in EBX; it returns as a system call does. Unless the extension asks for more (`FastResult`), there is nothing
on the way back: no bottom halves, no scheduler, no signals.

A Deferred User-ECall is an event in the segment, and then a bit in `CONTROL_WHEN`; the kernel clears it when the
service has heard. However many events there are, the service hears once.

`SYS_ECALL` is the system call of a service, by its name; the program need not have registered.

## Events of the kernel

`REGISTRATION_METHODS` says what an event does. A user handler finds its value in EAX and the address of the kernel's
segment in EBX, has the stack that the program gave, and ends by `ECALL_RETURN` in EAX with `FILTER_` bits in EBX. It
may run at any time, whatever process is running, and may not call the kernel: `ERR_RECURSION`. A handler in which
`HANDLER_TICKS` ticks begin, or that faults, is ended: its channel has none any more, and the program gets `SIGXCPU`
or `SIGSEGV`.

## Signals

They are delivered on the way back to the program, the most urgent first: `SIGKILL` and `SIGSTOP`, then real-time
signals from `SIGRTMIN` on, then the others by number. A handler begins with a `SIGINFO` at ESP; its RET goes to the
trampoline of its `SIGACTION`, which calls `SYS_SIGRETURN`. A signal that ends a program leaves the line `name: signal
9`.

"""


def ecalls_reference() -> str:
    """The page of `ecalls`, as Markdown."""
    return _page([ECALLS_INTRODUCTION], ECALLS_WORDS, ECALLS_LAYOUTS)


def _page(parts: list[str], words: Sequence[type[Word]], layouts: Sequence[Layout]) -> str:
    numbers = ["## Numbers", *map(_words, words)]
    structures = ["## Structures", "Offsets are in bytes; everything is little endian.", "", *map(_layout, layouts)]
    return "\n".join(parts + numbers + structures).rstrip("\n") + "\n"


def _words(words: type[Word]) -> str:
    rows = "\n".join(f"| `{word.name}` | {_number(word)} | {word.phrase} |" for word in words)
    return f"\n### {' '.join((words.__doc__ or '').split())}\n\n| name | value | meaning |\n|---|---|---|\n{rows}\n"


def _number(word: Word) -> str:
    decimal = -100 < word < 10 or isinstance(word, Syscall | SocketCall | MicroCall | ActCall | EcallCall)
    return str(int(word)) if decimal else f"{int(word):#x}"


def _layout(layout: Layout) -> str:
    rows = []
    for field in layout.fields:
        if field.width:
            name = f"{layout.prefix}_{field.name.upper()}"
            rows.append(f"| `{name}` | {layout.offsets[field.name]} | {field.width} | {field.phrase} |")
        else:
            rows.append(f"| | | | *{field.phrase}* |")
    table = "\n".join(rows)
    note = "The last two are there only if the trap came from ring 3.\n\n" if layout is FRAME else ""
    return (f"### {layout.title}\n\n{note}| name | offset | width | holds |\n|---|---|---|---|\n{table}\n"
            f"| `{layout.prefix}_SIZE` | | | {layout.size} bytes |\n")
