"""What readings say, without a chip: pure functions of arrays, one question a file."""
