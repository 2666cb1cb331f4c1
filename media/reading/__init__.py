"""Reading: from a file to decoded pictures, each with its time."""
