"""How native code is written here: numba functions over raw addresses, compiled once and kept on disk.

Every value is a signed 64-bit integer (numba turns a mixture of signed and unsigned into floating point), a load
zero-extends, a store truncates. A C function is called by its address, which lives in the shared record, so that the
compiled code holds no address of this process and can be cached.

numba notices a change of the file a function stands in, not of the files of what it calls; so the cache directory is
named after all native sources together with the versions of numba and of our record.
"""

from __future__ import annotations

import hashlib
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numba
from llvmlite import ir
from numba import types
from numba.extending import intrinsic

I8, I16, I32, I64 = (ir.IntType(bits) for bits in (8, 16, 32, 64))

SOURCES = (                 # every file with native code, and what it takes constants from
    "native", "timing/model", "timing/associative", "timing/hierarchy", "timing/translations", "timing/branches",
    "crossings", "cpu/state", "cpu/layout", "cpu/x86", "cpu/paging", "cpu/rings", "cpu/delivery", "cpu/blocks",
    "cpu/derivation", "cpu/records", "cpu/program", "cpu/far_accesses", "cpu/addresses", "cpu/glance", "cpu/hits",
    "cpu/charging", "cpu/spinning", "cpu/account", "cpu/modelled", "cpu/hooks", "cpu/runner", "recording/events",
    "recording/tap", "recording/player")


def cache_root() -> Path:
    """Where Trapline keeps what it can rebuild: $TRAPLINE_CACHE_DIR, or trapline in the user's cache directory."""
    own = os.environ.get("TRAPLINE_CACHE_DIR")
    if own:
        return Path(own)
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "trapline"


def _cache_directory() -> Path:
    digest = hashlib.sha256(f"{numba.__version__} {sys.version_info} {sys.platform}".encode())
    for name in SOURCES:
        path = Path(__file__).parent / f"{name}.py"
        digest.update(path.read_bytes() if path.exists() else b"")
    return cache_root() / f"native-{digest.hexdigest()[:16]}"


CACHE_DIRECTORY = _cache_directory()
try:
    CACHE_DIRECTORY.mkdir(parents=True, exist_ok=True)
    WRITABLE = os.access(CACHE_DIRECTORY, os.W_OK)
except OSError:
    WRITABLE = False        # a home that cannot be written: compile at every start


def is_compiled() -> bool:
    """True if an earlier run left compiled code on disk: the start will be quick."""
    return WRITABLE and any(CACHE_DIRECTORY.rglob("*.nbc"))


def _with_cache(decorate: Callable[[], Any]) -> Any:
    """Decorate with numba's cache in our directory, and leave numba's own settings for the user's code alone.

    Loops here end after a few turns: made of vector instructions, they would only take longer to begin.
    """
    config: Any = numba.config
    before = config.CACHE_DIR, config.LOOP_VECTORIZE
    config.CACHE_DIR, config.LOOP_VECTORIZE = str(CACHE_DIRECTORY), 0
    try:
        return decorate()
    finally:
        config.CACHE_DIR, config.LOOP_VECTORIZE = before


def callback(signature: Any) -> Callable[[Callable[..., Any]], Any]:
    """A C function with this numba signature: a hook by its `.address`, an entry for Python by its `.ctypes`."""
    return lambda function: _with_cache(lambda: numba.cfunc(signature, cache=WRITABLE)(function))


NATIVE_ONLY: Any = {"no_cpython_wrapper": True, "no_cfunc_wrapper": True}      # entries that nobody takes


def compiled(function: Callable[..., Any]) -> Any:
    """A function of native code for native code, with which it is compiled; Python cannot call it."""
    return numba.njit(**NATIVE_ONLY)(function)


def inlined(function: Callable[..., Any]) -> Any:
    """`compiled`, copied into its callers: for the few small functions that run at every block or access."""
    return numba.njit(forceinline=True, **NATIVE_ONLY)(function)


def _load(width: ir.IntType) -> Any:
    def load(typingctx: Any, address: Any) -> Any:
        def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
            value = builder.load(builder.inttoptr(args[0], width.as_pointer()), align=1)
            return value if width is I64 else builder.zext(value, I64)
        return types.int64(types.int64), codegen
    return intrinsic(load)


def _store(width: ir.IntType) -> Any:
    def store(typingctx: Any, address: Any, value: Any) -> Any:
        def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
            value = args[1] if width is I64 else builder.trunc(args[1], width)
            builder.store(value, builder.inttoptr(args[0], width.as_pointer()), align=1)
            return context.get_dummy_value()
        return types.void(types.int64, types.int64), codegen
    return intrinsic(store)


load8, load16, load32, load64 = (_load(width) for width in (I8, I16, I32, I64))
store8, store16, store32, store64 = (_store(width) for width in (I8, I16, I32, I64))


@intrinsic
def address_of(typingctx: Any, pointer: Any) -> Any:
    """The integer value of a pointer that a hook was given."""
    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return builder.ptrtoint(args[0], I64)
    return types.int64(types.voidptr), codegen


@intrinsic
def pointer_to(typingctx: Any, address: Any) -> Any:
    """The pointer with an integer value."""
    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return builder.inttoptr(args[0], I8.as_pointer())
    return types.voidptr(types.int64), codegen


def _call(parameters: list[ir.Type], fixed: int | None = None) -> Any:
    """An intrinsic that calls int f(parameters...) at an address; `fixed`: how many stand before the "..." of C."""
    declared = parameters if fixed is None else parameters[:fixed]
    kind = ir.FunctionType(I32, declared, var_arg=fixed is not None)

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        values = [builder.inttoptr(value, want) if isinstance(want, ir.PointerType)
                  else builder.trunc(value, want) if want.width < 64 else value
                  for value, want in zip(args[1:], parameters, strict=True)]
        return builder.sext(builder.call(builder.inttoptr(args[0], kind.as_pointer()), values), I64)

    results = types.int64(*[types.int64] * (len(parameters) + 1))
    if len(parameters) == 1:
        def call(typingctx: Any, function: Any, a: Any) -> Any:
            return results, codegen
    elif len(parameters) == 2:
        def call(typingctx: Any, function: Any, a: Any, b: Any) -> Any:  # type: ignore[misc]
            return results, codegen
    elif len(parameters) == 3:
        def call(typingctx: Any, function: Any, a: Any, b: Any, c: Any) -> Any:  # type: ignore[misc]
            return results, codegen
    elif len(parameters) == 4:
        def call(typingctx: Any, function: Any, a: Any, b: Any, c: Any, d: Any) -> Any:  # type: ignore[misc]
            return results, codegen
    else:
        def call(typingctx: Any, function: Any, a: Any, b: Any, c: Any, d: Any, e: Any) -> Any:  # type: ignore[misc]
            return results, codegen
    return intrinsic(call)


POINTER = I8.as_pointer()
call_emu_start = _call([POINTER, I64, I64, I64, I64])       # uc_emu_start(uc, begin, until, timeout, count)
call_emu_stop = _call([POINTER])                            # uc_emu_stop(uc)
call_reg_read = _call([POINTER, I32, POINTER])              # uc_reg_read(uc, register, value)
call_ctl = _call([POINTER, I32], fixed=2)                   # uc_ctl(uc, control, ...)
call_ctl_range = _call([POINTER, I32, I64, I64], fixed=2)   # uc_ctl(uc, control, first, end)
call_attend = _call([POINTER, I64, I64, I64])               # account.attend(state, ...)
call_glance = _call([POINTER, I64])                         # the machine code of a block: see `glance`
call_hits = _call([POINTER, I64, I64])                      # hits.hits(state, step, start)
call_open = _call([POINTER, I64, I64])                      # modelled.open_block(state, slot, pc)
call_part = _call([POINTER, I64, I64, I64])                 # modelled.charge_part(state, slot, first, last)
call_flush = _call([POINTER, I64])                          # modelled.flush_model(state, kind)
call_touch = _call([POINTER, I64, I64, I64])                # modelled.touch(state, linear, size, write)
call_deliver = _call([POINTER, I64, I64, I64, I64])         # delivery.deliver_event(state, ...)
call_drain = _call([I64])                                   # Recorder._drain(finished), Monitor._drain(which)
call_note = _call([POINTER, I64, I64, I64, I64])            # rings.note_block(state, slot, pc, cycles, instructions)
call_port = _call([I64, I64, I64, I64])                     # Cpu._access_port(port, size, value, write)
