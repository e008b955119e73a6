"""The file of a shared token: who can read it, and what of it is believed."""

from __future__ import annotations

import json
import os
from dataclasses import replace

import pytest

from airflow_provider_zuora.core.http.sign_in import AccessToken
from airflow_provider_zuora.core.messages import Credentials
from airflow_provider_zuora.session.token_file import InsecurePath, SecureDirectory, TokenFile

NOW = 1_700_000_000.0
SECRET = "s3cret-s3cret"
TOKEN = "6447d349d8854f0d"
CREDENTIALS = Credentials("https://rest.zuora.com", "id", SECRET)


@pytest.fixture
def place(tmp_path):
    return SecureDirectory(tmp_path / "own")


@pytest.fixture
def file(place):
    return TokenFile.for_credentials(CREDENTIALS, directory=place)


def path(file):
    return file.directory.path / f"{file.name}.token"


def test_what_one_process_leaves_another_reads(file, place):
    assert file.read(NOW) is None
    file.write(AccessToken(TOKEN, NOW + 3540))

    assert TokenFile.for_credentials(CREDENTIALS, directory=place).read(NOW) == AccessToken(TOKEN, NOW + 3540)


@pytest.mark.parametrize(("later", "good"), [(0, True), (3539.9, True), (3540, False), (9000, False)])
def test_a_token_is_good_until_its_end(file, later, good):
    file.write(AccessToken(TOKEN, NOW + 3540))

    assert (file.read(NOW + later) is not None) == good


@pytest.mark.parametrize("expires", [NOW + 86401, float("inf"), float("nan")])
def test_a_token_is_not_believed_to_last_longer_than_a_day(file, expires):
    file.write(AccessToken(TOKEN, NOW + 86400))
    assert file.read(NOW)
    file.write(AccessToken(TOKEN, expires))

    with pytest.raises(InsecurePath, match="claims to last longer than 86400 s"):
        file.read(NOW)


def test_other_credentials_have_other_files(place, monkeypatch):
    others = [
        CREDENTIALS,
        replace(CREDENTIALS, base_url="https://rest.eu.zuora.com"),
        replace(CREDENTIALS, client_id="other"),
    ]
    names = {TokenFile.for_credentials(each, entity).name for each in others for entity in ("", "e1", "e2")}
    me = os.geteuid()
    monkeypatch.setattr(os, "geteuid", lambda: me + 1)
    names.add(TokenFile.for_credentials(CREDENTIALS).name)

    assert len(names) == 10


def test_a_changed_secret_has_the_same_file_and_cannot_read_it(file, place):
    file.write(AccessToken(TOKEN, NOW + 3540))
    changed = TokenFile.for_credentials(replace(CREDENTIALS, client_secret="another"), directory=place)

    assert changed.name == file.name
    with pytest.raises(InsecurePath, match="damaged, or was made with another client secret"):
        changed.read(NOW)
    changed.write(AccessToken("new", NOW + 3540))
    assert changed.read(NOW) == AccessToken("new", NOW + 3540)


def test_a_file_under_another_name_is_not_read(file, place):
    file.write(AccessToken(TOKEN, NOW + 3540))
    other = TokenFile.for_credentials(CREDENTIALS, "e1", place)
    path(file).rename(path(other))

    with pytest.raises(InsecurePath, match="damaged"):
        other.read(NOW)


@pytest.mark.parametrize(
    "damaged",
    [
        lambda content: b"",
        lambda content: content[:-1],
        lambda content: content[: len(content) // 2],
        lambda content: bytes([content[0] ^ 1]) + content[1:],
        lambda content: content[:40] + bytes([content[40] ^ 1]) + content[41:],
        lambda content: b"\xff\xfe\x00" * 10,
        lambda content: json.dumps({"token": TOKEN, "expires": NOW + 3540}).encode(),
    ],
)
def test_a_damaged_file_is_not_believed(file, damaged):
    file.write(AccessToken(TOKEN, NOW + 3540))
    path(file).write_bytes(damaged(path(file).read_bytes()))

    with pytest.raises(InsecurePath, match=r"\.token: it is damaged") as caught:
        file.read(NOW)
    assert TOKEN not in str(caught.value)
    assert SECRET not in str(caught.value)


@pytest.mark.parametrize(
    "content", ["[]", "{}", "7", "{", '{"token": "t", "expires": "soon"}', '{"token": "t"}']
)
def test_what_another_version_wrote_is_not_believed(file, content):
    file.directory.replace(path(file).name, file.make_fernet().encrypt(content.encode()))

    with pytest.raises(InsecurePath, match="another version of this package made it") as caught:
        file.read(NOW)
    assert caught.value.__context__ is None  # Python's error holds the text


def test_no_secret_is_in_the_file_its_name_or_its_repr(file):
    file.write(AccessToken(TOKEN, NOW + 3540))
    shown = path(file).read_bytes().decode() + str(path(file)) + repr(file)

    for secret in (SECRET, TOKEN, "rest.zuora.com"):
        assert secret not in shown
