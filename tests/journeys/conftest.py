"""Stages for the journeys: folders of their own, and fork servers that live as long as the tests do."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.journeys.stage import Servers, Stage, scan
from tests.journeys.unit import Server, Unit


@pytest.fixture(scope="session")
def servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Servers]:
    folder = tmp_path_factory.mktemp("samples")
    samples = [folder / "plain.dcm", folder / "large.dcm"]
    samples[0].write_bytes(scan(1))
    samples[1].write_bytes(scan(2, bytes(2 * 256 * 256)))
    found = Servers(samples)
    yield found
    found.close()


@pytest.fixture
def stage(tmp_path: Path, servers: Servers) -> Stage:
    return Stage(tmp_path, servers)


@pytest.fixture(scope="session")
def gateways() -> Iterator[Server]:
    found = Server()
    yield found
    found.close()


@pytest.fixture
def unit(tmp_path: Path, gateways: Server) -> Unit:
    return Unit(tmp_path, gateways)
