"""Training and evaluation of the networks; needs the extra ``[train]``."""
