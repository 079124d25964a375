"""The committed description of the interface is the one that the application has, and its forms are what is answered."""

from __future__ import annotations

import json
import warnings
from pathlib import Path

from backend.api import forms
from backend.openapi import document, text

COMMITTED = Path(__file__).parents[2] / "docs/reference/openapi.json"


def test_the_committed_description_is_up_to_date():
    assert COMMITTED.read_text("utf-8") == text(), (
        "the HTTP interface has changed: if that is intended, renew its description with "
        "`python -m backend.openapi > docs/reference/openapi.json` and commit it"
    )


def test_every_operation_has_an_id_of_its_own_and_a_summary():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = document()
    operations = [operation for path in found["paths"].values() for operation in path.values()]
    ids = [operation["operationId"] for operation in operations]
    assert sorted(ids) == sorted(set(ids))
    assert [operation["operationId"] for operation in operations if not operation.get("summary")] == []


def test_problems_are_described_as_problem_documents():
    for path, operations in document()["paths"].items():
        if not path.startswith("/api/v1"):
            continue
        for operation in operations.values():
            for status, response in operation["responses"].items():
                if int(status) >= 400:
                    assert list(response["content"]) == ["application/problem+json"], (path, status)


def test_every_reference_leads_somewhere():
    schemas = document()["components"]["schemas"]
    for line in json.dumps(document(), indent=0).splitlines():
        if '"$ref"' in line:
            assert line.split("/")[-1].strip('",') in schemas


def test_forms_refuse_what_they_do_not_know():
    assert all(
        form.model_config["extra"] == "forbid" for form in vars(forms).values() if isinstance(form, type) and issubclass(form, forms.Form)
    )
