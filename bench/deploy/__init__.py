"""How long a deployment takes: `stack` makes one of its own, `run` runs playbooks, `report` makes the table.

`cli` does so in this order.
"""
