"""One control plane for all tests, with the operators' definitions and nodes that do what kubelets do."""

from __future__ import annotations

import shutil

import pytest

from tests.acceptance.kubernetes.control_plane import ControlPlane
from tests.acceptance.kubernetes.nodes import Nodes
from tests.acceptance.kubernetes.operators import Operators, install
from tests.acceptance.kubernetes.programs import MissingPrograms, programs
from tests.k8s import schemas


@pytest.fixture(scope="session")
def plane():
    try:
        directory = programs()
    except MissingPrograms as problem:
        pytest.skip(str(problem))
    definitions = schemas.crds()
    if definitions is None:
        pytest.skip(schemas.HOW_TO_GET)
    if shutil.which("openssl") is None:
        pytest.skip("keys for tests are made by openssl: apt-get install openssl")
    with ControlPlane(directory) as plane:
        install(plane, definitions)
        with Operators(plane):
            yield plane


@pytest.fixture(scope="session")
def nodes(plane):
    with Nodes(plane) as nodes:
        yield nodes
