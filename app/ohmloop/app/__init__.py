"""Where everything meets: the command line, run folders, the demo."""
