import json
import stat
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import text

from dataops_defs.catalogue.base import new_id
from dataops_defs.catalogue.keys import rotate
from dataops_defs.catalogue.models import SourceRow
from dataops_defs.catalogue.sealing import CannotUnseal, Keyring, key_id, rewrap, seal, unseal
from dataops_defs.catalogue.secrets import Secrets
from dataops_defs.catalogue.sources import Sources
from dataops_defs.domain.source import SourceType
from dataops_defs.flows.platform import Platform
from dataops_defs.settings import Settings

CANARY = "canary-5up3r-s3cret"


@pytest.fixture(scope="module")
def keyring(tmp_path_factory: pytest.TempPathFactory) -> Keyring:
    return Keyring(tmp_path_factory.mktemp("keys") / "keys.json").ensure()


class TestSealing:
    def test_the_key_file_is_for_its_owner_only(self, keyring: Keyring) -> None:
        assert stat.S_IMODE(keyring.path.stat().st_mode) == 0o600

    @settings(max_examples=50)
    @given(st.binary(max_size=500))
    def test_what_is_sealed_opens_again(self, keyring: Keyring, plain: bytes) -> None:
        assert unseal(keyring, seal(keyring, plain, "source:1:secrets"), "source:1:secrets") == plain

    def test_equal_texts_do_not_look_equal(self, keyring: Keyring) -> None:
        assert seal(keyring, b"same", "c") != seal(keyring, b"same", "c")

    def test_a_sealed_text_moved_to_another_row_does_not_open(self, keyring: Keyring) -> None:
        with pytest.raises(CannotUnseal):
            unseal(keyring, seal(keyring, b"x", "source:1:secrets"), "source:2:secrets")

    def test_an_altered_text_does_not_open(self, keyring: Keyring) -> None:
        sealed = bytearray(seal(keyring, b"x" * 40, "c"))
        sealed[-1] ^= 1
        with pytest.raises(CannotUnseal):
            unseal(keyring, bytes(sealed), "c")

    def test_a_new_key_wraps_without_touching_the_ciphertext(self, tmp_path: Path) -> None:
        ring = Keyring(tmp_path / "keys.json").ensure()
        sealed = seal(ring, b"secret", "c")
        ring.add()
        renewed = rewrap(ring, sealed, "c")
        ring.keep_primary_only()
        assert unseal(ring, renewed, "c") == b"secret"
        assert key_id(renewed) != key_id(sealed)
        with pytest.raises(CannotUnseal, match="is not in the key file"):
            unseal(ring, sealed, "c")


def a_source(platform: Platform, name: str) -> str:
    with platform.catalogue() as session:
        sources = Sources(session, platform.keyring)
        row = SourceRow(id=new_id(), name=name, type="postgres", connection={}, app="default")
        sources.connect_with(row, {"host": "h", "database": "d", "password": CANARY})
        return sources.add(row).id


class TestSecretsOfSources:
    def test_no_column_of_the_row_shows_the_password(self, settings: Settings) -> None:
        platform = Platform(settings)
        id = a_source(platform, "Master")
        with platform.catalogue() as session:
            stored = session.execute(text("SELECT source::text FROM source WHERE id = :id"), {"id": id}).scalar_one()
            assert CANARY not in stored
            assert CANARY.encode().hex() not in stored
            sources = Sources(session, platform.keyring)
            assert sources.opened(sources.get(id)).secrets == {"password": CANARY}

    def test_rotation_renews_every_row_and_drops_the_old_key(self, settings: Settings) -> None:
        platform = Platform(settings)
        ids = [a_source(platform, f"Source {number}") for number in range(3)]
        before = json.loads(platform.keyring.path.read_text())
        assert rotate(settings) == 3
        after = json.loads(platform.keyring.path.read_text())
        assert len(after["keys"]) == 1
        assert after["primary"] != before["primary"]
        with platform.catalogue() as session:
            sources = Sources(session, platform.keyring)
            assert all(sources.secrets(sources.get(id)) == {"password": CANARY} for id in ids)


class TestSecretsByName:
    def test_no_column_of_the_row_shows_the_value_and_a_rotation_renews_it(self, settings: Settings) -> None:
        platform = Platform(settings)
        with platform.catalogue() as session:
            row, made = Secrets(session, platform.keyring).put("PROD", "an admin", {"value": CANARY})
            assert made
            stored = session.execute(text("SELECT secret::text FROM secret")).scalar_one()
            assert CANARY not in stored
            assert CANARY.encode().hex() not in stored
            sealed_by = key_id(row.value)
        assert rotate(settings) == 1
        connection = {"host": "h", "database": "d", "password": "secret:PROD"}
        with platform.catalogue() as session:
            secrets = Secrets(session, platform.keyring)
            assert secrets.opened(SourceType.POSTGRES, connection, ["password"])["password"] == CANARY
            [renewed] = secrets.page(limit=10)[0]
            assert key_id(renewed.value) != sealed_by

    def test_a_value_moved_to_another_row_does_not_open(self, settings: Settings) -> None:
        platform = Platform(settings)
        with platform.catalogue() as session:
            secrets = Secrets(session, platform.keyring)
            mine, _ = secrets.put("MINE", "x", {"value": "x"})
            prod, _ = secrets.put("PROD", "x", {"value": CANARY})
            mine.value = prod.value
            session.flush()
            with pytest.raises(CannotUnseal):
                secrets.opened(
                    SourceType.POSTGRES, {"host": "h", "database": "d", "password": "secret:MINE"}, ["password"]
                )
