"""The processor: Unicorn executes, everything around it is ours.

How the parts fit together, in reading order (`emu.native` says how native code is written here, `emu.decoding` is
the way to Capstone):

- `x86`       the architecture's numbers: flags, exceptions, descriptors
- `layout`    where Unicorn 2.1.4 keeps the live CPU state, checked at start
- `state`     the one record that native code and Python share
- `paging`    address translation and the TLB-fill hook
- `delivery`  exceptions and interrupts through the guest's IDT
- `illegal`   opcodes that Unicorn has and the processor has not
- `blocks`    what a translated block holds, the block table
- `describe`  what a new block is and costs; `block_store` keeps that between runs
- `derivation`  a block's accesses as a program over the registers; `effects` and its three: what instructions add to it
- `program`, `addresses`, `far_accesses`    the program packed, and run natively
- `records`   what it finds: everything that the block accesses, and what each access has cost
- `charging`  pays for what has run
- `spinning`  skips loops that can change nothing before the next event
- `account`   the block hook: charges a block, or stops in front of what is due
- `modelled`, `hits`  the block hook under a timing model, and its quick way
- `glance`, `host_code`   the quickest way, of blocks that run often: machine code of the host
- `costs`     a profile's figures, put where native code finds them
- `hooks`     the remaining native hooks: traps, invalid opcodes, SYSENTER, RDTSC, CPUID, ports
- `runner`    the native loop around `uc_emu_start`
- `cpu`       `Cpu`, the Python face of all this
"""
