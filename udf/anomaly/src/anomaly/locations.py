"""Names that those who write and those who read must agree on: of directories, variables and measurements."""

# The directory of all models, and the environment variable that names another one.
DEFAULT_MODELS = "/var/lib/anomaly/models"
MODELS_VARIABLE = "ANOMALY_MODELS"
# The directory of all states, and the environment variable that names another one. Without the variable a state
# lasts as long as its process and Kapacitor's snapshot.
STATE_VARIABLE = "ANOMALY_STATE"
# The environment variable that names the directory of what catch-ups hand over. Without it a UDF takes nothing over.
HAND_OVER_VARIABLE = "ANOMALY_HAND_OVER"
# The environment variable that names the directory of calendars, which a deployment writes. Without it a UDF has those
# of its specification.
CALENDARS_VARIABLE = "ANOMALY_CALENDARS"
# The measurement of the UDF's own metrics.
METRICS = "udf"
