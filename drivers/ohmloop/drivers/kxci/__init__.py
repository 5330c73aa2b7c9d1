"""The Keithley 4200A-SCS parameter analyser and its pulse cards, over KXCI."""
