"""The run: its folder, the stages that fill it and their provenance, its vocoders, and the comparison of runs."""
