"""How fast the console's first page is, on a real InfluxDB: `measure` writes scores and asks, `__main__` prints."""
