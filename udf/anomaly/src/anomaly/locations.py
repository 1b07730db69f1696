"""Names that those who write and those who read must agree on: of directories, variables and measurements."""

# The directory of all models, and the environment variable that names another one.
DEFAULT_MODELS = "/var/lib/anomaly/models"
MODELS_VARIABLE = "ANOMALY_MODELS"
# The measurement of the UDF's own metrics.
METRICS = "udf"
