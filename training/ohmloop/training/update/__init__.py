"""Update rules: how a wanted rank-one change of the weights becomes pulses."""
