"""The branch predictor: a branch target buffer (BTB), two-bit counters, a return stack.

By the profile's `predictor`, a conditional branch in the BTB is predicted by the counter (Smith 1981) that is chosen by
    bimodal         the branch alone: one counter an entry (Pentium)
    local history   the branch and its own last outcomes (Yeh and Patt's PAp; P6)
    global history  the outcomes of the last conditional branches and four bits of the address (Yeh and Patt's GAs, as
                    AMD 25112, section A.6, describes the counters of K8; taken for K7 too) when the history is short;
                    XORed with more of the address where it fills the table (McFarling's gshare; NetBurst, whose index
                    is not published)
A branch enters the BTB when it is first taken, its counters at "weakly taken". One that is not in the BTB is predicted
statically: not taken by Pentium and K7 (AMD 25112: not taken until taken once), taken if backward by P6 and NetBurst
(Intel 248966, static prediction). Jumps and calls whose target the BTB has cost nothing; a taken branch predicted
right without it costs `misfetch`, as much as a wrong prediction if the profile has no figure for that. Sets of the BTB
are chosen by the address from bit 2 (Pentium) or bit 4 on.

Not modelled: NetBurst's second BTB in front of the trace cache, wrong-path fetches, far transfers.
"""

from __future__ import annotations

from emu.native import compiled, inlined, load8, load64, store8, store64
from emu.timing.associative import KEY, SLOT_MASK, SLOT_SHIFT, insert, key_of, promote, set_of
from emu.timing.model import BIMODAL, GLOBAL, LOCAL, WEAKLY_TAKEN, Model

# Kinds of branches.
CONDITIONAL = 1             # Jcc, JECXZ, LOOP
JUMP = 2                    # JMP to an address in the instruction
INDIRECT = 3                # JMP through a register or memory
CALL = 4                    # CALL of an address in the instruction
CALL_INDIRECT = 5           # CALL through a register or memory
RETURN = 6                  # RET
CONDITIONAL_BACKWARD = 7    # CONDITIONAL whose target, taken or not, is at or below itself


@compiled
def branch(m: Model, kind: int, pc: int, sequential: int, target: int) -> int:
    """A near branch at linear address `pc` was executed; the stall in cycles.

    sequential: the address behind it; target: where execution went on.
    """
    m.branches += 1
    if kind == RETURN and m.returns_size:
        stall = 0 if pop_return(m) == target else mispredicted(m)
    elif kind in (CONDITIONAL, CONDITIONAL_BACKWARD):
        stall = conditional(m, pc, target, target != sequential, kind == CONDITIONAL_BACKWARD or target <= pc)
    else:
        stall = unconditional(m, pc, target, kind in (JUMP, CALL))
    if kind in (CALL, CALL_INDIRECT) and m.returns_size:
        push_return(m, sequential)
    if stall:
        m.branch_stalls += stall
    return stall


@compiled
def mispredicted(m: Model) -> int:
    """The stall of a branch predicted wrong."""
    m.mispredictions += 1
    return m.mispredict


@compiled
def misfetched(m: Model) -> int:
    """The stall of a taken branch predicted right, but without its target in the BTB."""
    m.misfetches += 1
    return m.misfetch


@inlined
def conditional(m: Model, pc: int, target: int, taken: bool, backward: bool) -> int:
    """The stall of a conditional branch."""
    entry = find_entry(m, pc)
    if entry < 0:
        return conditional_unknown(m, pc, target, taken, backward)
    counter = counter_of(m, entry, pc)
    value = load8(counter)
    stall = 0
    predicted = value >= 2
    if predicted != taken or (taken and load64(m.targets + entry * 8) != target):
        stall = mispredicted(m)
    learn(m, entry, counter, value, taken)
    if taken:
        aim(m, entry, target)
    return stall


@compiled
def conditional_unknown(m: Model, pc: int, target: int, taken: bool, backward: bool) -> int:
    """The stall of a conditional branch that the BTB does not have."""
    predicted = backward and m.static_backward != 0
    stall = 0
    if predicted != taken:
        stall = mispredicted(m)
    elif taken:
        stall = misfetched(m)
    if taken:
        entry = enter(m, pc)
        counter = counter_of(m, entry, pc)
        learn(m, entry, counter, load8(counter), taken)
        aim(m, entry, target)
    elif m.predictor == GLOBAL:
        m.history = m.history << 1 & m.history_mask
    return stall


@compiled
def unconditional(m: Model, pc: int, target: int, direct: bool) -> int:
    """The stall of a jump, a call, or a return without a return stack."""
    entry = find_entry(m, pc)
    if entry < 0:
        aim(m, enter(m, pc), target)
        return misfetched(m) if direct else mispredicted(m)
    if load64(m.targets + entry * 8) == target:
        return 0
    aim(m, entry, target)
    return mispredicted(m)


@inlined
def find_entry(m: Model, pc: int) -> int:
    """The number of a branch's BTB entry, or -1."""
    index = pc >> m.btb_shift & m.btb_mask
    first = set_of(m.btb, m.btb_mask, m.btb_ways, index)
    word = load64(first)
    if word & KEY != key_of(pc):
        word = promote(m, first, m.btb_ways, key_of(pc))
    return index * m.btb_ways + (word >> SLOT_SHIFT & SLOT_MASK) if word else -1


@compiled
def enter(m: Model, pc: int) -> int:
    """Give a branch an entry in the BTB, with counters and history of one that is weakly taken; its number."""
    index = pc >> m.btb_shift & m.btb_mask
    first = set_of(m.btb, m.btb_mask, m.btb_ways, index)
    slot = spare_slot(first, m.btb_ways)
    insert(m, first, m.btb_ways, key_of(pc) | slot << SLOT_SHIFT)
    entry = index * m.btb_ways + slot
    if m.predictor == BIMODAL:
        store8(m.counters + entry, WEAKLY_TAKEN)
    elif m.predictor == LOCAL:
        store64(m.histories + entry * 8, m.history_mask)
        for pattern in range(m.history_mask + 1):
            store8(m.counters + entry * (m.history_mask + 1) + pattern, WEAKLY_TAKEN)
    return entry


@compiled
def spare_slot(first: int, ways: int) -> int:
    """The slot for a new word of a set: that of the word which will leave, or the next unused one."""
    last = load64(first + ways * 8 - 8)
    if last:
        return last >> SLOT_SHIFT & SLOT_MASK
    used = 0
    while load64(first + used * 8):
        used += 1
    return used


@inlined
def counter_of(m: Model, entry: int, pc: int) -> int:
    """The address of the counter that predicts a conditional branch now."""
    if m.predictor == BIMODAL:
        return m.counters + entry
    if m.predictor == LOCAL:
        return m.counters + entry * (m.history_mask + 1) + load64(m.histories + entry * 8)
    return m.counters + (m.history << m.history_place ^ pc & m.address_mask)


@inlined
def learn(m: Model, entry: int, counter: int, value: int, taken: bool) -> None:
    """Move the counter, which holds `value`, and the histories by an outcome."""
    after = min(value + 1, 3) if taken else max(value - 1, 0)
    store8(counter, after)
    m.changes += after != value
    if m.predictor == LOCAL:
        replace(m, m.histories + entry * 8, (load64(m.histories + entry * 8) << 1 | taken) & m.history_mask)
    elif m.predictor == GLOBAL:
        m.history = (m.history << 1 | taken) & m.history_mask


@inlined
def aim(m: Model, entry: int, target: int) -> None:
    """Note the target of a branch."""
    replace(m, m.targets + entry * 8, target)


@inlined
def replace(m: Model, at: int, value: int) -> None:
    """Store a word, and note a change if it is one."""
    m.changes += load64(at) != value
    store64(at, value)


@inlined
def push_return(m: Model, address: int) -> None:
    """Push onto the return stack; the oldest address is lost when it is full."""
    m.returns_top = m.returns_top + 8 if m.returns_top + 8 < m.returns_size else 0
    replace(m, m.returns + m.returns_top, address)


@inlined
def pop_return(m: Model) -> int:
    """Pop the return stack; one popped too often yields what it held before."""
    address = load64(m.returns + m.returns_top)
    m.returns_top = m.returns_top - 8 if m.returns_top else m.returns_size - 8
    return address
