"""InfluxDB: client, queries, line protocol, times."""
