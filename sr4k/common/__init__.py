"""What every folder may use: it imports nothing of this project but `sr4k.errors`."""
