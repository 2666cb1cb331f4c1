"""How good a network is: test pictures, protocols and measures."""
