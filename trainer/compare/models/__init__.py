"""The model families that the comparison fits, one kind a file."""
