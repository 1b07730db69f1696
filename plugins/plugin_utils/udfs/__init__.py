"""UDFs of a user's own: what an entry of the inventory's `kapacitor_udfs` means, and how its folder is packed."""
