"""`trapline reproduce`: tables and figures of the papers, measured here, ours beside theirs.

- `stoess_fig6` to `stoess_fig8`  a table each: a module with a TABLE, which measures and makes rows and charts;
                                  `stoess_loads` is what the last two measure with
- `activations_table1` to `activations_table3`, `activations_reactivity`, `activations_worst`, `activations_extensions`
                                  likewise; `activations_busy` is what most of them measure with
- `tables`                        all of them, and which a person means
- `table`, `papers`               what a table and its rows are; what the papers print, from papers/PAPER.toml
- `plan`, `points`, `cluster`     how the points of a table are measured: in turn, in processes, on other computers
- `runs`                          runs an image and measures along its paths
- `text`, `html` on `svg`         findings for people
- `command`                       the command, and the JSON
"""
