"""The ward's board: people see the alerts, answer them, and the answer is an event of the log."""
