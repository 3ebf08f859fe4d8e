"""`python -m guest.abi` prints docs/guest-abi.md; with `micro`, docs/microkernel-abi.md, with `activations`,
docs/activations-abi.md, with `ecalls`, docs/ecalls-abi.md.
"""

import sys

from guest.abi.reference import activations_reference, ecalls_reference, micro_reference, reference

PAGES = {(): reference, ("micro",): micro_reference, ("activations",): activations_reference,
         ("ecalls",): ecalls_reference}

page = PAGES.get(tuple(sys.argv[1:]))
if page is None:
    sys.exit("usage: python -m guest.abi [micro|activations|ecalls]")
print(page(), end="")
