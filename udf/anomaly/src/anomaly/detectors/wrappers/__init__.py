"""What is put around a detector."""
