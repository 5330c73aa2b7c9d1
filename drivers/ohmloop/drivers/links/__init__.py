"""Links to instruments: VISA messages and serial lines; what they share of waits, locks, Ctrl-C."""
