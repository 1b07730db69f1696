"""The command line: declares the arguments of all commands, and runs the chosen one.

Each command's module is imported when the command runs, so that `anomaly --help` and `anomaly validate` do not wait for
numpy, and Kapacitor's first request is answered at once.
"""

import argparse
import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from anomaly import __version__
from anomaly.cli import codes
from anomaly.cli.common import (
    CA_FILE_VARIABLE,
    PASSWORD_FILE_VARIABLE,
    PASSWORD_VARIABLE,
    RESULTS_VARIABLE,
    SPEC_VARIABLE,
    URL_VARIABLE,
    USERNAME_VARIABLE,
    default_models,
)
from anomaly.cli.failure import failed

Command = Callable[[argparse.Namespace], int]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command.

    Args:
        arguments: the words of the command line; None: those of this process.

    Returns:
        The exit code.
    """
    options = _parser().parse_args(arguments)
    command: Command = options.command
    try:
        return command(options)
    except BrokenPipeError:
        # The reader of the output, such as `head`, has ended.
        sys.stderr.close()
        return codes.DONE
    except (Exception, KeyboardInterrupt) as error:
        # The UDF's stdout belongs to Kapacitor's protocol, so it gets no line for programs.
        return failed(error, getattr(options, "pipeline", None), answer=options.command is not _udf)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="anomaly", description="Finds anomalies in InfluxDB time series.")
    parser.add_argument("--version", action="version", version=f"anomaly {__version__}")
    commands = parser.add_subparsers(title="commands", required=True, metavar="COMMAND")

    udf = commands.add_parser("udf", help="serve Kapacitor on stdin and stdout, or on a Unix socket")
    _models(udf)
    udf.add_argument(
        "--socket", type=Path, metavar="PATH", help="listen there, for a Kapacitor that starts no programs"
    )
    udf.set_defaults(command=_udf)

    train = commands.add_parser("train", help="train pipelines' models on history, and make them current")
    _several(train)
    _models(train)
    _influxdb(train)
    _range(train)
    _results(train)
    train.add_argument("--seed", type=int, default=0, metavar="N", help="default 0")
    train.add_argument(
        "--at-once",
        type=int,
        default=2,
        metavar="N",
        help="pipelines that are trained at the same time, each of which may take some 800 MiB; default: %(default)s",
    )
    train.add_argument(
        "--jobs", type=int, metavar="N", help="threads of all of them together; default: a processor each, at most 4"
    )
    train.add_argument(
        "--if-needed", action="store_true", help="do nothing when the current model is what would be trained"
    )
    train.add_argument(
        "--if-outdated",
        action="store_true",
        help="do nothing unless another release made the current model; train with its range and its seed",
    )
    train.add_argument("--no-promote", action="store_true", help="store the version, leave the current one")
    train.add_argument(
        "--force", action="store_true", help="make it current even if it does worse than the current model"
    )
    train.set_defaults(command=_train)

    keeper = commands.add_parser("keeper", help="watch detection, repair it, train what is due, until it is ended")
    _file(keeper)
    _models(keeper)
    _influxdb(keeper)
    _results(keeper)
    keeper.add_argument("--kapacitor-url", required=True, metavar="URL", help="such as http://127.0.0.1:9092")
    keeper.add_argument("--kapacitor-username", metavar="U")
    keeper.add_argument("--kapacitor-password-file", metavar="F", help="its first line")
    keeper.add_argument("--kapacitor-ca-file", metavar="F", help="CA bundle for an https address of Kapacitor")
    keeper.add_argument(
        "--certificate-days",
        type=int,
        default=14,
        metavar="N",
        help="tell when a certificate of InfluxDB or Kapacitor ends within N days; default: %(default)s",
    )
    keeper.add_argument("--backup-record", metavar="FILE", help="where backup.yml notes when the last backup was made")
    keeper.add_argument(
        "--backup-days",
        type=float,
        default=7.0,
        metavar="N",
        help="tell when the last backup is older than N days; default: %(default)g",
    )
    keeper.add_argument("--messengers", metavar="FILE", help="who is told that detection is down, as JSON")
    keeper.add_argument(
        "--messengers-ca-file", metavar="F", help="a CA that messengers trust beside the public ones, such as your own"
    )
    keeper.add_argument("--state", metavar="FILE", help="keeps what was told, over restarts")
    keeper.add_argument(
        "--incident-topic",
        default="",
        metavar="TOPIC",
        help="have Kapacitor tell incidents on this topic (default: they are written into the results only)",
    )
    keeper.add_argument(
        "--stack-name", default="anomaly", metavar="NAME", help="the stack, which is the topic of its alerts, too"
    )
    keeper.add_argument(
        "--grafana-url", default="", metavar="URL", help="where browsers reach Grafana, for the links of incidents"
    )
    keeper.add_argument("--console-url", default="", metavar="URL", help="where browsers reach the console, likewise")
    keeper.add_argument(
        "--tell-after", type=float, default=60.0, metavar="S", help="an outage that lasts this long is told; default 60"
    )
    keeper.add_argument(
        "--tell-back-after", type=float, default=90.0, metavar="S", help="its end is told so long after it; default 90"
    )
    keeper.add_argument("--poll", type=float, default=5.0, metavar="S", help="seconds between looks; default 5")
    keeper.add_argument(
        "--training-poll", type=float, default=60.0, metavar="S", help="seconds between looks at models; default 60"
    )
    keeper.add_argument("--metrics-port", type=int, metavar="N", help="serve metrics for Prometheus there")
    keeper.add_argument("--metrics-address", default="127.0.0.1", metavar="A", help="default: %(default)s")
    keeper.add_argument("--metrics-certificate", metavar="F", help="serve metrics by https with this certificate")
    keeper.add_argument("--metrics-key", metavar="F", help="the certificate's key")
    keeper.add_argument("--heartbeat", metavar="FILE", help="say there after each look how it went, for keeper-health")
    _hand_over(keeper)
    keeper.add_argument("--udf-state", metavar="DIR", help="look at the UDFs' state files there")
    keeper.add_argument(
        "--disk",
        dest="disks",
        action="append",
        default=[],
        metavar="NAME=DIR",
        help="a folder whose volume must have free space; may be repeated",
    )
    keeper.add_argument("--least-free", default="1GiB", metavar="SIZE", help="of each volume; default: %(default)s")
    keeper.add_argument("--restart-file", metavar="FILE", help="ask there for a restart of Kapacitor (supervise)")
    keeper.add_argument("--influxdb-restart-file", metavar="FILE", help="ask there for a restart of InfluxDB")
    keeper.add_argument("--keep", type=int, default=10, metavar="N", help="versions to keep; default 10")
    keeper.add_argument(
        "--score-days",
        type=int,
        default=0,
        metavar="N",
        help="how many days scores are kept at least; default 0: for ever",
    )
    keeper.set_defaults(command=_keeper)

    expire = commands.add_parser("expire", help="delete a pipeline's old scores and figures, and keep its periods")
    _spec(expire)
    _influxdb(expire)
    _results(expire)
    expire.add_argument(
        "--days", type=int, required=True, metavar="N", help="how many days they are kept at least, 14 or more"
    )
    expire.set_defaults(command=_expire)

    health = commands.add_parser("keeper-health", help="say whether the keeper looks, and whether detection is up")
    health.add_argument("--heartbeat", required=True, metavar="FILE", help="of the keeper")
    health.add_argument(
        "--patience", type=float, default=150.0, metavar="S", help="the oldest look in seconds; default 150"
    )
    health.set_defaults(command=_keeper_health)

    supervise = commands.add_parser("supervise", help="run a program, and restart it when the keeper asks for that")
    supervise.add_argument("--restart-file", required=True, metavar="FILE", help="of the keeper")
    supervise.add_argument(
        "--pause", type=float, default=600.0, metavar="S", help="seconds between two restarts; default 600"
    )
    supervise.add_argument("words", nargs=argparse.REMAINDER, metavar="-- PROGRAM ...")
    supervise.set_defaults(command=_supervise)

    backtest = commands.add_parser("backtest", help="score history as serving would, and compare with labels")
    _spec(backtest)
    _models(backtest)
    _influxdb(backtest)
    _range(backtest)
    backtest.add_argument("--model", metavar="VERSION", help="default: the current one")
    backtest.add_argument(
        "--labels",
        metavar="FILE|feedback",
        help="what is known to have happened: CSV or .json, or the marks of feedback",
    )
    _results(backtest)
    backtest.add_argument(
        "--open", type=float, action="append", metavar="S", help="a severity to look at; default: 55 to 95"
    )
    backtest.add_argument("--json", action="store_true", help="everything, for programs")
    backtest.add_argument("--report", metavar="FILE", help="write it as .html or .md, too")
    backtest.set_defaults(command=_backtest)

    what_if = commands.add_parser("what-if", help="try a changed pipeline on history, next to how it is now")
    _spec(what_if)
    _models(what_if)
    _influxdb(what_if)
    _range(what_if)
    _results(what_if)
    what_if.add_argument(
        "--changes", metavar="FILE", help="the keys of the pipeline that change, JSON or YAML; - is stdin"
    )
    what_if.add_argument("--json", action="store_true", help="everything, for programs")
    what_if.add_argument("--serve", action="store_true", help=argparse.SUPPRESS)
    what_if.set_defaults(command=_what_if)

    report = commands.add_parser("report", help="write what the results say of a range, as one page for people")
    _several(report)
    _influxdb(report)
    report.add_argument(
        "--from", dest="begin", metavar="T", help="a duration before now or an RFC 3339 time; default: 24h"
    )
    report.add_argument("--to", dest="end", metavar="T", help="likewise; default: now")
    _results(report)
    report.add_argument(
        "--report",
        default="report.html",
        metavar="FILE",
        help="the page; .png and .csv files are written beside it; default: %(default)s",
    )
    report.set_defaults(command=_report)

    catch_up = commands.add_parser("catch-up", help="score what could not be scored in time, from InfluxDB")
    _several(catch_up)
    _models(catch_up)
    _influxdb(catch_up)
    _results(catch_up)
    catch_up.add_argument(
        "--from",
        dest="begin",
        metavar="T",
        help="a duration before now, or an RFC 3339 time; default: the pipeline's oldest score of the last 7d",
    )
    catch_up.add_argument(
        "--lag",
        metavar="D",
        help="leave the windows of so long before now alone; default: lateness and 2 windows, at least 1m",
    )
    catch_up.add_argument("--dry-run", action="store_true", help="say what would be written, and write nothing")
    _hand_over(catch_up)
    catch_up.set_defaults(command=_catch_up)

    status = commands.add_parser("status", help="say of each pipeline how many series are scored, and what is open")
    _several(status)
    _models(status)
    _influxdb(status)
    _results(status)
    status.add_argument("--most", type=int, default=20, metavar="N", help="rows of a table; default: %(default)s")
    status.add_argument("--watch", type=float, metavar="S", help="show it again every S seconds, until Ctrl-C")
    status.set_defaults(command=_status)

    console = commands.add_parser("console", help="serve the pages of the console, until it is ended")
    console.add_argument("--settings", required=True, metavar="FILE", help="address, users and secrets")
    _file(console)
    _models(console)
    _influxdb(console)
    _results(console)
    console.set_defaults(command=_console)

    explain = commands.add_parser("explain", help="say what follows from a pipeline")
    _spec(explain)
    _results(explain)
    explain.add_argument("--topic", default="anomaly", help="of the alerts; default: %(default)s")
    explain.add_argument(
        "--tickscripts", default="tickscripts", metavar="DIR", help="folder of custom scripts; default: %(default)s"
    )
    _influxdb(explain, required=False)
    explain.set_defaults(command=_explain)

    alerts = commands.add_parser("alerts", help="preview the messages of a pipeline's alerts")
    preview = alerts.add_subparsers(required=True, metavar="ACTION").add_parser(
        "preview", help="print the message of each kind, with numbers that are made up"
    )
    preview.add_argument("pipeline", metavar="PIPELINE", nargs="?", help="which, if there are several")
    _file(preview)
    preview.add_argument(
        "--grafana-url", default="", metavar="URL", help="the inventory's grafana_root_url; default: no link"
    )
    preview.add_argument(
        "--console-url", default="", metavar="URL", help="the inventory's console_root_url; default: no link to it"
    )
    preview.set_defaults(command=_alerts_preview)

    validate = commands.add_parser("validate", help="check pipelines")
    validate.add_argument("file", metavar="FILE", help="JSON (or YAML), - for stdin")
    validate.set_defaults(command=_validate)

    _feedback_actions(commands.add_parser("feedback", help="say of periods that they were false alarms, and the like"))
    _models_actions(commands.add_parser("models", help="list, compare, promote, roll back, prune versions"))
    return parser


def _feedback_actions(feedback: argparse.ArgumentParser) -> None:
    actions = feedback.add_subparsers(required=True, metavar="ACTION")
    added = {}
    for name, text in (
        ("add", "mark a stretch of time"),
        ("list", "all marks, oldest first"),
        ("remove", "take a mark back"),
        ("sync", "hand marks that others wrote to the running UDFs"),
    ):
        action = added[name] = actions.add_parser(name, help=text)
        action.add_argument("--spec", metavar="FILE", help="pipeline(s); default: what the current model was made for")
        action.add_argument("--pipeline", metavar="NAME")
        _models(action)
        _influxdb(action)
        _results(action)
        action.set_defaults(command=_feedback_command, action=name)
    add = added["add"]
    add.add_argument("--kind", required=True, choices=("false_alarm", "true", "maintenance"))
    add.add_argument(
        "--from", dest="begin", required=True, metavar="T", help="a duration before now or an RFC 3339 time"
    )
    add.add_argument("--to", dest="end", default="0s", metavar="T", help="likewise; default: now")
    add.add_argument("--series", action="append", default=[], metavar="TAG=VALUE", help="default: all series")
    add.add_argument("--note", default="", metavar="TEXT")
    added["remove"].add_argument("id", metavar="ID")


def _models_actions(models: argparse.ArgumentParser) -> None:
    actions = models.add_subparsers(required=True, metavar="ACTION")
    added = {}
    for name, text in (
        ("list", "versions, oldest first; * is current, s the shadow"),
        ("show", "a version's manifest"),
        ("diff", "what differs between two versions"),
        ("verify", "compare files with the sums in their manifests"),
        ("promote", "make a version current"),
        ("rollback", "make the version current that was so before"),
        ("shadow", "have a version score beside the current one"),
        ("compare", "what the shadow said beside the current version"),
        ("prune", "remove old versions"),
    ):
        action = added[name] = actions.add_parser(name, help=text)
        _models(action)
        action.add_argument("--pipeline", metavar="NAME", required=name != "list")
        action.set_defaults(command=_models_command, action=name)
    for name in ("list", "show", "diff", "compare"):
        added[name].add_argument("--json", action="store_true")
    linked = "a version, or current, or shadow"
    added["show"].add_argument(
        "version", metavar="VERSION", nargs="?", default="current", help=f"{linked}; default: current"
    )
    added["diff"].add_argument("version", metavar="BEFORE", help=linked)
    added["diff"].add_argument("other", metavar="AFTER", help=linked)
    added["verify"].add_argument("version", metavar="VERSION", nargs="?", help="default: all")
    added["promote"].add_argument("version", metavar="VERSION")
    shadow = added["shadow"].add_mutually_exclusive_group(required=True)
    shadow.add_argument("version", metavar="VERSION", nargs="?")
    shadow.add_argument("--none", dest="version", action="store_const", const=None, help="none any more")
    added["compare"].add_argument("version", metavar="VERSION", nargs="?", help="default: the shadow")
    added["compare"].add_argument("--from", dest="begin", default="24h", metavar="T", help="default: 24h before now")
    added["compare"].add_argument("--to", dest="end", default="0s", metavar="T", help="default: now")
    _influxdb(added["compare"])
    _results(added["compare"])
    added["prune"].add_argument("--keep", type=int, default=5, metavar="N", help="default 5")


def _file(parser: argparse.ArgumentParser) -> None:
    spec = os.environ.get(SPEC_VARIABLE)
    parser.add_argument(
        "--spec",
        required=spec is None,
        default=spec,
        metavar="FILE",
        help=f"pipeline(s) as JSON (or YAML), - for stdin; default: ${SPEC_VARIABLE}",
    )


def _spec(parser: argparse.ArgumentParser) -> None:
    _file(parser)
    parser.add_argument("--pipeline", metavar="NAME", help="which, if there are several")


def _several(parser: argparse.ArgumentParser) -> None:
    _file(parser)
    parser.add_argument(
        "--pipeline",
        dest="pipelines",
        action="append",
        metavar="NAME",
        help="may be repeated; default: all that are enabled",
    )


def _influxdb(parser: argparse.ArgumentParser, *, required: bool = True) -> None:
    """Declare how InfluxDB is reached; variables of the process are the defaults, as in the keeper's container."""
    url = os.environ.get(URL_VARIABLE)
    parser.add_argument(
        "--influxdb-url",
        required=required and url is None,
        default=url,
        metavar="URL",
        help=f"such as http://127.0.0.1:8086; default: ${URL_VARIABLE}",
    )
    parser.add_argument(
        "--username", default=os.environ.get(USERNAME_VARIABLE), metavar="U", help=f"default: ${USERNAME_VARIABLE}"
    )
    parser.add_argument(
        "--password-file",
        default=os.environ.get(PASSWORD_FILE_VARIABLE),
        metavar="F",
        help=f"its first line; default: ${PASSWORD_FILE_VARIABLE}, or the password ${PASSWORD_VARIABLE}",
    )
    parser.add_argument(
        "--ca-file",
        default=os.environ.get(CA_FILE_VARIABLE),
        metavar="F",
        help=f"CA bundle for an https address; default: ${CA_FILE_VARIABLE}",
    )


def _range(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--from", dest="begin", metavar="T", help="a duration before now (24h) or an RFC 3339 time")
    parser.add_argument("--to", dest="end", metavar="T", help="likewise")


def _models(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--models", default=default_models(), metavar="DIR", help="default: %(default)s")


def _results(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--results-database",
        default=os.environ.get(RESULTS_VARIABLE) or "anomaly",
        metavar="DB",
        help="default: %(default)s",
    )


def _udf(options: argparse.Namespace) -> int:
    from anomaly.serving.udf import main as serve

    serve(options.models, options.socket)
    return codes.DONE


def _train(options: argparse.Namespace) -> int:
    from anomaly.cli.train import train

    return train(options)


def _backtest(options: argparse.Namespace) -> int:
    from anomaly.cli.backtest import backtest

    return backtest(options)


def _what_if(options: argparse.Namespace) -> int:
    from anomaly.cli.what_if import what_if

    return what_if(options)


def _report(options: argparse.Namespace) -> int:
    from anomaly.cli.report import report

    return report(options)


def _hand_over(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "--hand-over", metavar="DIR", help="hand the state of series that were caught up with to the running UDF there"
    )


def _catch_up(options: argparse.Namespace) -> int:
    from anomaly.cli.catchup import catch_up

    return catch_up(options)


def _keeper(options: argparse.Namespace) -> int:
    from anomaly.cli.keeper import keeper

    return keeper(options)


def _expire(options: argparse.Namespace) -> int:
    from anomaly.cli.expire import expire

    return expire(options)


def _keeper_health(options: argparse.Namespace) -> int:
    from anomaly.cli.keeper_health import keeper_health

    return keeper_health(options)


def _supervise(options: argparse.Namespace) -> int:
    from anomaly.cli.supervise import supervise

    return supervise(options)


def _status(options: argparse.Namespace) -> int:
    from anomaly.cli.status import status

    return status(options)


def _console(options: argparse.Namespace) -> int:
    from anomaly.cli.console import console

    return console(options)


def _explain(options: argparse.Namespace) -> int:
    from anomaly.cli.explain import explain

    return explain(options)


def _alerts_preview(options: argparse.Namespace) -> int:
    from anomaly.cli.alerts import preview

    return preview(options)


def _validate(options: argparse.Namespace) -> int:
    from anomaly.cli.validate import validate

    return validate(options)


def _feedback_command(options: argparse.Namespace) -> int:
    from anomaly.cli.feedback import feedback

    return feedback(options)


def _models_command(options: argparse.Namespace) -> int:
    from anomaly.cli.models import models

    return models(options)
