"""Training: read history, fit, calibrate, pass the gate. Never imported by serving."""
