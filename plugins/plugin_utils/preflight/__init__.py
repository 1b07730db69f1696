"""What preflight knows: checks of an inventory and of what a host says about itself, as functions without I/O.

Each check yields problems; the role preflight gathers them all and fails once.
"""
