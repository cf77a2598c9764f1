"""The run: its folder, the stages that fill it (prepare, embed, analyse), provenance, and the history of runs."""
