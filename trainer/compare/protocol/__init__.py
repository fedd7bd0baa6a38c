"""The rules every family follows: how it is fitted, chosen, kept and compared."""
