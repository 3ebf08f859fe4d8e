"""`python -m guest.abi` prints docs/guest-abi.md, `python -m guest.abi micro` docs/microkernel-abi.md."""

import sys

from guest.abi.reference import micro_reference, reference

PAGES = {(): reference, ("micro",): micro_reference}

page = PAGES.get(tuple(sys.argv[1:]))
if page is None:
    sys.exit("usage: python -m guest.abi [micro]")
print(page(), end="")
