"""The sending half of a live channel: encode frames and sound once, and send them to every target."""
