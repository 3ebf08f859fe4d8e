"""`python -m guest.abi` prints the reference page, docs/guest-abi.md."""

from guest.abi.reference import reference

print(reference(), end="")
