"""Set-up that every long-running process needs: stopping on a signal, the format of the log."""
