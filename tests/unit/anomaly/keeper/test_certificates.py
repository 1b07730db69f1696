"""Which certificates end soon, by servers that the tests stand in for; test_tls.py asks real ones."""

from dataclasses import dataclass, field

from anomaly.keeper.certificates import Certificates, TlsServer

SECOND = 1_000_000_000
DAY = 86400 * SECOND
NOW_NS = 1_704_067_200 * SECOND


@dataclass(frozen=True, slots=True)
class Shown(TlsServer):
    """A server that shows certificates one after the other: their ends, None where nobody answers."""

    ends: list[int | None] = field(default_factory=list)

    def end_ns(self) -> int:
        end = self.ends.pop(0)
        if end is None:
            raise ConnectionRefusedError
        return end


def shown(*ends: int | None, name: str = "InfluxDB") -> Shown:
    return Shown(name, "https://influx.example:8086", None, list(ends))


def test_a_certificate_is_named_when_it_ends_soon() -> None:
    servers = (shown(NOW_NS + 14 * DAY - SECOND), shown(NOW_NS + 14 * DAY, name="Kapacitor"))
    assert Certificates(servers, 14).ending(NOW_NS) == {"InfluxDB": 13}


def test_a_server_is_asked_once_an_hour() -> None:
    server = shown(NOW_NS + 30 * DAY, NOW_NS + 397 * DAY)
    certificates = Certificates((server,), 14)
    for seconds in (0, 5, 3599):
        assert certificates.ending(NOW_NS + seconds * SECOND) == {}
    assert len(server.ends) == 1
    assert certificates.ending(NOW_NS + 3600 * SECOND) == {}
    assert server.ends == []


def test_a_renewal_is_seen_within_a_minute() -> None:
    certificates = Certificates((shown(NOW_NS + 3 * DAY - SECOND, NOW_NS + 397 * DAY),), 14)
    assert certificates.ending(NOW_NS) == certificates.ending(NOW_NS + 59 * SECOND) == {"InfluxDB": 2}
    assert certificates.ending(NOW_NS + 60 * SECOND) == {}


def test_a_clock_that_is_set_back_does_not_put_the_next_look_off() -> None:
    server = shown(NOW_NS + 397 * DAY, NOW_NS + 397 * DAY)
    certificates = Certificates((server,), 14)
    certificates.ending(NOW_NS)
    certificates.ending(NOW_NS - SECOND)
    assert server.ends == []


def test_a_server_that_does_not_answer_is_left_to_another_check() -> None:
    certificates = Certificates((shown(NOW_NS + DAY, None),), 14)
    assert certificates.ending(NOW_NS) == {"InfluxDB": 1}
    assert certificates.ending(NOW_NS + 60 * SECOND) == {}


def test_servers_without_https_have_no_certificate() -> None:
    assert Certificates((TlsServer("InfluxDB", "http://influx.example:8086"),), 14).ending(NOW_NS) is None
