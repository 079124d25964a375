"""The vocabulary of alarms: plain values without I/O, clocks or threads."""
