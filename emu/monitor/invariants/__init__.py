"""What is always true of the microkernel when it lets a program go on, checked from outside.

A program that runs may rely on nothing in the kernel being half done. So whenever the kernel leaves to user mode, and
whenever the processor waits for an interrupt, its objects must fit together: states and queues, who runs and who could,
reference counts, the mapping database, the processor's own registers. `checking.Invariants` looks; each other file says
what has to hold for one kind of object. Nothing of the guest is believed, and nothing is changed.

For people who change the kernel: a run under these checks finds the operation that breaks something, long before the
kernel falls over it. The pytest plugin offers them as the fixture `invariants`.
"""
