"""The number of a state file's layout. It is a module of its own, as the controller reads it and has no numpy."""

# Raised when the meaning or the form of an array changes; files of another layout are refused.
LAYOUT = 5
