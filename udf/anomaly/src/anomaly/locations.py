"""Where models and measurements are, for whoever reads or writes them."""

DEFAULT_MODELS = "/var/lib/anomaly/models"
MODELS_VARIABLE = "ANOMALY_MODELS"
METRICS = "udf"
