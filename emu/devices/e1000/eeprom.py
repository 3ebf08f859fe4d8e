"""The EEPROM beside the controller: a 93C46 with 64 words of 16 bits, read whole (EERD) or by its pins (EECD).

Sheet: Intel 317453, section 5 (what the words mean); the pins as in the data sheet of any 93C46: a start bit, two bits
of instruction, six of address, each taken at the rising edge of SK while CS is high; then the word comes out, highest
bit first, after a 0. Not modelled: programming; every instruction but READ is ignored.
"""

from __future__ import annotations

from emu.kept import Kept

WORDS = 64
CHECKSUM = 0xBABA               # what all words add up to
INSTRUCTION = 9                 # bits, the start bit included
READ = 0b110                    # start bit and instruction


class Eeprom(Kept):
    """The words, and the chip's side of its four pins."""

    KEPT = ("sk", "do", "instruction", "position")

    def __init__(self, mac: bytes, device: int, subsystem: int, vendor: int) -> None:
        """Raises ValueError unless `mac` has six bytes and is the address of one station."""
        if len(mac) != 6 or mac[0] & 1 or not any(mac):
            raise ValueError(f"MAC address {mac.hex(':')!r}: must be 6 bytes, not all 0, bit 0 of the first one 0")
        self.words = [0] * WORDS
        self.words[0:3] = [int.from_bytes(mac[i:i + 2], "little") for i in (0, 2, 4)]
        self.words[0x0A] = 0x4408               # initialization control 1: signature 01b, IDs below are valid
        self.words[0x0B] = subsystem
        self.words[0x0C] = vendor               # of the board
        self.words[0x0D] = device
        self.words[0x0E] = vendor
        self.words[WORDS - 1] = CHECKSUM - sum(self.words) & 0xFFFF
        self.reset()

    def reset(self) -> None:
        """Pins low."""
        self.sk = False
        self.do = True                          # data out; pulled up while nothing is read
        self.instruction = 0                    # bits taken since CS rose, from the start bit on
        self.position = 0                       # bits put out since the address was complete

    def pins(self, sk: bool, cs: bool, di: bool) -> None:
        """What software drives."""
        rises, self.sk = sk and not self.sk, sk
        if not cs:
            self.instruction = self.position = 0
            self.do = True
        elif rises:
            if self.instruction.bit_length() < INSTRUCTION:
                self.instruction = self.instruction << 1 | di
                reading = self.instruction.bit_length() == INSTRUCTION and self.instruction >> 6 == READ
                self.do = not reading           # the 0 in front of the word
            elif self.instruction >> 6 == READ:
                word = self.words[(self.instruction + self.position // 16) % WORDS]
                self.do = bool(word >> 15 - self.position % 16 & 1)
                self.position += 1
