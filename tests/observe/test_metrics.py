"""Numbers: what the ledger counts and what passed by, under names of the configuration, states and codes."""

from __future__ import annotations

from stowgate import events
from stowgate.lifecycle import Delivery, State
from stowgate.observe.metrics import Asked, Metrics


def made(oldest: float | None = 40.0) -> Metrics:
    counts = {"ct": {State.WAITING: 3, State.HELD: 1}, "drop": {State.RECEIVED: 2}}
    return Metrics(Asked(lambda: counts, lambda: 1 << 40, lambda: oldest), clock=lambda: 100.0)


def lines(metrics: Metrics) -> set[str]:
    return {line for line in metrics.render().decode().splitlines() if not line.startswith("#")}


def test_the_ledgers_counts_are_shown_by_source_and_state() -> None:
    found = lines(made())
    assert 'stowgate_items{source="ct",state="waiting"} 3.0' in found
    assert 'stowgate_items{source="drop",state="held"} 0.0' in found, "a state nobody is in is a zero, no gap"
    assert 'stowgate_received{source="ct"} 4.0' in found
    assert float(next(line for line in found if "room_bytes" in line).split()[1]) == 1 << 40
    assert "stowgate_oldest_waiting_seconds 60.0" in found
    assert "stowgate_oldest_waiting_seconds 0.0" in lines(made(None))


def test_what_passes_by_is_counted() -> None:
    metrics = made()
    for event in (
        events.Received("ct", "a" * 32, 500, 0.07), events.Received("ct", "b" * 32, 500, 0.2),
        events.Refused("ct", "disk_full"), events.Settled("ct", "a" * 32, State.WAITING, seconds=0.3),
        events.CallerTurnedAway("ct"), events.Association("ct", True), events.Association("ct", True),
        events.Association("ct", False), events.PayloadLost("c" * 32), events.Stopping(),
    ):  # fmt: skip
        metrics.watch(event)
    found = lines(metrics)
    assert 'stowgate_received_bytes_total{source="ct"} 1000.0' in found
    assert 'stowgate_intake_seconds_bucket{le="0.15",source="ct"} 1.0' in found
    assert 'stowgate_intake_seconds_count{source="ct"} 2.0' in found
    assert 'stowgate_refused_total{code="disk_full",source="ct"} 1.0' in found
    assert 'stowgate_turned_away_total{source="ct"} 1.0' in found
    assert 'stowgate_associations{source="ct"} 1.0' in found
    assert "stowgate_payload_lost_total 1.0" in found
    assert "stowgate_intake_open 1.0" in found


def test_the_ways_out_are_shown_by_destination() -> None:
    ways = {"pacs": dict.fromkeys(Delivery, 0) | {Delivery.QUEUED: 2, Delivery.VERIFIED: 5}}
    metrics = Metrics(Asked(dict, lambda: 0, lambda: None, lambda: ways))
    for event in (
        events.Delivered("pacs", "a" * 32, Delivery.ACKNOWLEDGED, "", 700), events.DestinationDown("pacs", "peer_busy"),
        events.Delivered("pacs", "a" * 32, Delivery.VERIFIED, "", 700),
    ):  # fmt: skip
        metrics.watch(event)
    found = lines(metrics)
    assert 'stowgate_deliveries{destination="pacs",state="queued"} 2.0' in found
    assert 'stowgate_deliveries{destination="pacs",state="refused"} 0.0' in found
    assert 'stowgate_sent_bytes_total{destination="pacs"} 700.0' in found
    assert 'stowgate_destination_up{destination="pacs"} 0.0' in found
    metrics.watch(events.DestinationUp("pacs", 3.0))
    assert 'stowgate_destination_up{destination="pacs"} 1.0' in lines(metrics)


def test_intake_is_shown_as_closed_at_the_reserve_and_for_good_when_the_disk_failed() -> None:
    metrics = made()
    for event, shown in (
        (events.Reserve(True, 0), 0), (events.Reserve(False, 9), 1), (events.IntakeStopped("spool_failed"), 0),
        (events.Reserve(False, 9), 0),
    ):  # fmt: skip
        metrics.watch(event)
        assert f"stowgate_intake_open {shown}.0" in lines(metrics)


def test_two_gateways_in_one_process_do_not_share_numbers() -> None:
    first, second = made(), made()
    first.watch(events.Refused("ct", "disk_full"))
    assert not any("refused" in line for line in lines(second))


def test_links_are_shown_with_their_rate_what_is_left_and_their_outages() -> None:
    metrics = Metrics(Asked(dict, lambda: 0, lambda: None, links=lambda: {"pacs": (250.0, 9), "nas": (None, 0)}))
    for event in (
        events.DestinationDown("pacs", "peer_unreachable"), events.DestinationUp("pacs", 30.0),
        events.DestinationDown("pacs", "peer_busy"),
    ):  # fmt: skip
        metrics.watch(event)
    found = lines(metrics)
    assert 'stowgate_destination_rate{destination="pacs"} 250.0' in found
    assert not any(line.startswith('stowgate_destination_rate{destination="nas"') for line in found)
    assert 'stowgate_destination_bytes_left{destination="pacs"} 9.0' in found
    assert 'stowgate_destination_outages_total{code="peer_busy",destination="pacs"} 1.0' in found
    assert 'stowgate_destination_down_seconds_total{destination="pacs"} 30.0' in found
    assert 'stowgate_destination_up{destination="pacs"} 0.0' in found
