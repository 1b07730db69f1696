"""Says what somebody in front of a page can do, where a message names options and commands of a command line.

Messages come from the rooms that the console shares with `anomaly`, and from the process of a trial, so their words are
replaced here, at the console's edge. A test finds each message that still names an option or a command.
"""

# What messages say, and what pages say instead; earlier entries are replaced first.
_WORDS = (
    (
        "check --influxdb-url, and that it is running",
        "`site.yml` starts it, and `make logs SERVICE=influxdb` says what is wrong with it",
    ),
    ("use --username and --password-file", "take them out of influxdb_external_url"),
    ("check --username and --password-file", "run `site.yml`, which checks this user and its password"),
    ("give its CA with --ca-file", "run `site.yml`, which brings the authority to trust (influxdb_ca_file)"),
    ("check --influxdb-url", "check what listens there (influxdb_external_url, influxdb_port)"),
    ("--influxdb-url", "influxdb_external_url"),
    ("or remove old versions with `anomaly models prune`", "or keep fewer versions (keeper_keep)"),
    ("check --models", "check the folder data/models of the stack, and how it is mounted"),
    ("`anomaly models list` shows", "the page Models shows"),
    ("`anomaly models promote` makes it current", "promote it on the page Models"),
    ("write it anew with `anomaly feedback sync`", "give feedback on any period, which writes it anew"),
    (" (anomaly feedback add --kind false_alarm)", " on their pages"),
    (" (`anomaly feedback add --kind true`)", " on their pages"),
    (", or insist with --force (train_force)", ""),
    ("(training.from, training.to, --from, --to)", "(training.from, training.to)"),
    ("(training.from, --from)", "(training.from)"),
    ("with --from and --to ", ""),
    ("--from", "from"),
    ("--to", "to"),
)


def for_pages(message: str) -> str:
    """Return a message in the words of the console."""
    for before, after in _WORDS:
        message = message.replace(before, after)
    return message
