"""The Kapacitor UDF: its declaration, handler, watcher and shadow."""
