"""How fast a catch-up is, on a real InfluxDB: `measure` writes points and catches up, `__main__` prints the table."""
