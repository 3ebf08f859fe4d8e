"""`trapline validate`: what the machine's instructions, paths and memory cost, beside what was measured and published.

- `processors`, `rows`        the table of published figures, and which profile each measured processor stands for
- `forms`, `operands`         from the text of a row to the assembly that is measured
- `rig`                       runs measured loops on the machine of a profile
- `calibration`, `reasons`    which rows a profile's figures come from; why rows miss
- `compare`                   ours and theirs, row by row, and the figures over all of them
- `pairs`, `ladders`, `branches`, `anchors` (on `system`)      what is no row: pairing, caches and TLBs, mispredictions,
                              and whole crossings
- `report`, `command`         the tables and the JSON
"""
