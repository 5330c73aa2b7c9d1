"""What theory says of analog training, to hold the algorithms against: nothing here pulses."""
