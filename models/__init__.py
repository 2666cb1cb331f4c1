"""The RCAN family: its definition, trained weights, the exact algebra that makes it cheap, and its int8 form."""
