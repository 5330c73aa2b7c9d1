"""The emulated 4200A-SCS: KXCI, its pulse cards, its SMUs, and the chip between them."""
