"""How long a deployment takes: `stack` makes one of its own, `run` runs playbooks, `report` makes the table."""
