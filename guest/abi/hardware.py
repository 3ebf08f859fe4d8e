"""Ports, registers and commands of the chips that the kernel drives, in their data sheets' names."""

from __future__ import annotations

from guest.abi.words import Word


class Port(Word):
    """I/O ports of the machine"""

    PIC1_COMMAND = 0x20, "first 8259A (IRQ 0-7): ICW1, OCW2, OCW3"
    PIC1_DATA = 0x21, "first 8259A: ICW2-4, OCW1 (the mask)"
    PIT_CHANNEL0 = 0x40, "8254: count of channel 0, whose output is IRQ 0"
    PIT_CONTROL = 0x43, "8254: control word"
    PIC2_COMMAND = 0xA0, "second 8259A (IRQ 8-15): ICW1, OCW2, OCW3"
    PIC2_DATA = 0xA1, "second 8259A: ICW2-4, OCW1 (the mask)"
    DEBUG_EXIT = 0xF4, "a 32-bit write ends the machine with that exit code"
    COM1 = 0x3F8, "16550A: the console; its registers follow"


class Pic(Word):
    """8259A commands (Intel 8259A data sheet, programming)"""

    ICW1_INIT = 0x11, "ICW1: initialise, edge triggered, cascade, ICW4 follows"
    ICW3_MASTER = 0x04, "ICW3 of the first: the second hangs on its line 2"
    ICW3_SLAVE = 0x02, "ICW3 of the second: it hangs on line 2"
    ICW4_8086 = 0x01, "ICW4: 8086 mode, normal end of interrupt"
    OCW1_ALL = 0xFF, "OCW1: every line masked"
    OCW2_EOI = 0x20, "OCW2: non-specific end of interrupt"
    OCW3_ISR = 0x0B, "OCW3: the next read of the command port gives the in-service register"


class Pit(Word):
    """8254 (Intel 8254 data sheet, control word)"""

    PIT_RATE = 0x34, "control word: channel 0, low byte then high byte, mode 2 (rate generator), binary"
    PIT_HZ = 1_193_182, "its crystal, 14318180 / 12 Hz, rounded"
    PIT_PICOSECONDS = 838_095, "one of its periods, 12 / 14318180 s"


class Uart(Word):
    """16550A registers, as offsets from COM1 (PC16550D data sheet, section 8)"""

    UART_DATA = 0, "THR: a byte to send; while LCR_DLAB is set DLL, the divisor's low byte"
    UART_IER = 1, "interrupt enable; while LCR_DLAB is set DLM, the divisor's high byte"
    UART_FCR = 2, "FIFO control"
    UART_LCR = 3, "line control"
    UART_MCR = 4, "modem control"
    UART_LSR = 5, "line status"


class UartValue(Word):
    """16550A: what the kernel writes there and looks for"""

    DLL_115200 = 1, "divisor for 115200 baud"
    LCR_8N1 = 0x03, "8 data bits, no parity, 1 stop bit"
    FCR_RESET = 0x07, "FIFOs on, both cleared"
    MCR_READY = 0x0B, "DTR, RTS and OUT2 (the pin that lets interrupts out, were any enabled)"
    UART_FIFO = 16, "bytes that fit into the transmit FIFO"
    LSR_THRE = 0x20, "the transmit FIFO is empty"
    LSR_TEMT = 0x40, "so is the shift register: everything has left"
    LCR_DLAB = 0x80, "the first two registers are the divisor"
