"""What the boot loader hands over (Multiboot 0.6.96) and what a program is made of (ELF32, System V ABI chapter 4)."""

from __future__ import annotations

from guest.abi.layout import Layout, gap, u8, u16, u32
from guest.abi.words import Word


class Multiboot(Word):
    """Multiboot 1 (GNU Multiboot specification 0.6.96, section 3)"""

    MULTIBOOT_HEADER = 0x1BAD_B002, "magic of the header in the kernel image"
    MULTIBOOT_WANTS = 0x0000_0003, "its flags: modules on page boundaries, memory information"
    MULTIBOOT_LOADER = 0x2BAD_B002, "EAX at entry: a Multiboot loader did it"


class MbiFlag(Word):
    """Flags of the information structure"""

    MBI_HAS_MODULES = 0x08, "mods_count and mods_addr are valid"
    MBI_HAS_MMAP = 0x40, "mmap_length and mmap_addr are valid"


class MmapType(Word):
    """Types of memory"""

    MMAP_AVAILABLE = 1, "RAM that may be used"


MBI = Layout(
    "MBI", "Multiboot information, up to the fields that the kernel reads (3.3)",
    u32("flags", "which fields are valid"),
    gap("unused", 16, "memory sizes, boot device, command line"),
    u32("mods_count", "number of modules"),
    u32("mods_addr", "their list, MODULE entries"),
    gap("syms", 16, "the kernel's symbols"),
    u32("mmap_length", "bytes of the memory map"),
    u32("mmap_addr", "its first entry"),
)

MMAP = Layout(
    "MMAP", "Entry of the memory map; the next one begins MMAP_LENGTH bytes after MMAP_BASE (3.3)",
    u32("length", "bytes that follow this field"),
    u32("base", "first physical address"),
    u32("base_high", "its upper half"),
    u32("bytes", "size of the region"),
    u32("bytes_high", "its upper half"),
    u32("type", "MMAP_AVAILABLE, or not to be used"),
)

MODULE = Layout(
    "MODULE", "Module: one program, an ELF32 file (3.3)",
    u32("start", "physical address of the file"),
    u32("end", "first address behind it"),
    u32("string", "physical address of `name arguments`, ended by a zero byte"),
    u32("reserved", "0"),
)


class Elf(Word):
    """What an ELF file must say to be a program (System V ABI, chapter 4; i386 supplement)"""

    ELF_MAGIC = 0x464C_457F, "7F 'E' 'L' 'F'"
    ELF_CLASS32_LSB = 0x0101, "class and data bytes: 32 bits, little endian"
    ELF_EXEC_386 = 0x0003_0002, "type and machine: executable, Intel 80386"


class ElfType(Word):
    """Types of program headers, sections and symbols"""

    PT_LOAD = 1, "program header: a segment to load"
    SHT_SYMTAB = 2, "section: the symbol table"
    STT_SECTION = 3, "symbol: from here on not a place in the program"
    STT_MASK = 0x0F, "the type in SYM_INFO's low bits"
    SHN_LORESERVE = 0xFF00, "section number: from here on not a section (absolute values and such)"


class ElfFlag(Word):
    """Flags of a program header"""

    PF_W = 2, "writable"


EHDR = Layout(
    "EHDR", "ELF header",
    u32("magic", "ELF_MAGIC"),
    u16("class", "class and data encoding"),
    gap("ident", 10, "version and padding"),
    u32("type", "type and machine"),
    u32("version", "1"),
    u32("entry", "first instruction"),
    u32("phoff", "file offset of the program headers"),
    u32("shoff", "file offset of the section headers"),
    u32("flags", "0"),
    u16("ehsize", "size of this header"),
    u16("phentsize", "size of a program header"),
    u16("phnum", "number of program headers"),
    u16("shentsize", "size of a section header"),
    u16("shnum", "number of section headers"),
    u16("shstrndx", "section of the section names"),
)

PHDR = Layout(
    "PHDR", "ELF program header",
    u32("type", "PT_LOAD, or not our business"),
    u32("offset", "file offset of the contents"),
    u32("vaddr", "address in the program"),
    u32("paddr", "physical address: unused"),
    u32("filesz", "bytes in the file"),
    u32("memsz", "bytes in memory; the rest is zero"),
    u32("flags", "PF_W and others"),
    u32("align", "alignment: unused"),
)

SHDR = Layout(
    "SHDR", "ELF section header",
    u32("name", "offset in the section names"),
    u32("type", "SHT_SYMTAB, or not our business"),
    gap("unused", 8, "flags and address"),
    u32("offset", "file offset of the contents"),
    u32("bytes", "their size"),
    u32("link", "of a symbol table: the section of its names"),
    gap("rest", 12, "info, alignment, entry size"),
)

SYM = Layout(
    "SYM", "ELF symbol",
    u32("name", "offset in the names"),
    u32("value", "address"),
    u32("bytes", "size"),
    u8("info", "binding and type"),
    u8("other", "visibility"),
    u16("shndx", "section that it belongs to, 0 if undefined"),
)
