"""What a vendor says is wrong with a connection."""

from __future__ import annotations

import pytest

from airflow_provider_zuora.core.errors import ResponseInfo
from airflow_provider_zuora.core.vendors import VENDORS

FIELDS = {"entity_id": "", "org_ids": "", "zuora_version": ""}
ENTITY = ResponseInfo("GET /x", status=400).with_words(["Zuora-Entity-Ids"], ["90000020"])
OTHER = ResponseInfo("GET /x", status=400).with_words(["no"], ["50000020"])


@pytest.mark.parametrize(
    ("info", "fields", "words"),
    [
        (ENTITY, {"entity_id": "e"}, "Zuora refuses the entity_id"),
        (ENTITY, {}, "The OAuth client may use several entities"),
        (
            OTHER,
            {"zuora_version": "1.0"},
            "Zuora refuses a read that carries zuora_version (1.0): check each.",
        ),
        (OTHER, {}, ""),
    ],
)
def test_what_is_wrong_if_the_check_is_refused(info, fields, words):
    said = VENDORS["zuora"].explain_refused_check(info, FIELDS | fields)
    assert said.startswith(words)
    assert bool(said) is bool(words)


def test_a_vendor_without_a_check_has_nothing_to_say():
    assert VENDORS["elastic_path"].explain_refused_check(OTHER, {}) == ""


@pytest.mark.parametrize(
    ("status", "body", "words"),
    [
        (400, {"message": "Invalid client id"}, "Zuora knows no such client id"),
        (400, {"message": "other"}, "Zuora refuses the client id (login) or its secret (password)"),
        (401, {"error": "Unauthorized"}, "Zuora refuses the client secret (password)"),
        (403, {"status": 403}, "Zuora knows the client, but its user may not sign in"),
        (None, {}, "Zuora refuses the client id (login) or its secret (password)"),
    ],
)
def test_why_a_sign_in_is_refused(status, body, words):
    info = ResponseInfo("POST /x", status=status).with_words(map(str, body.values()))
    assert VENDORS["zuora"].explain_refused_sign_in(info).startswith(words)


def test_why_elastic_path_refuses_a_sign_in():
    assert "region is wrong" in VENDORS["elastic_path"].explain_refused_sign_in(OTHER)
