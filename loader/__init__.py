"""From sources and files to something bootable: assembler, linker, readers of image formats, image manifests."""
