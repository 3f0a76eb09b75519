"""Network paths as people write them, and the paths that something may be mounted at."""

import pytest

from dataops_defs.domain.mount import StorageType, connection_of, local_path_of, network_place
from dataops_defs.errors import Invalid

ALLOWED = ("/mnt", "/media")


@pytest.mark.parametrize(
    ("given", "kind", "address"),
    [
        ("//fileserver.company.com/data", "smb", "smb://fileserver.company.com/data"),
        (r"\\fileserver\data\in box", "smb", "smb://fileserver/data/in%20box"),
        ("//files/100%25 sure", "smb", "smb://files/100%2525%20sure"),
        ("NAS:/export/in", "nfs", "nas:/export/in"),
        ("s3://lake/raw/", "s3", "s3://lake/raw/"),
        ("sftp://files.example.org/in", "sftp", "sftp://files.example.org/in"),
        ("webdavs://cloud.example.org/dav", "webdav", "webdavs://cloud.example.org/dav"),
        ("/srv//data/./in", "local", "/srv/data/in"),
    ],
)
def test_a_network_path_tells_what_it_is(given, kind, address):
    assert network_place(given) == (StorageType(kind), address)
    assert network_place(given, StorageType(kind)).type == kind


def test_a_type_gives_a_form_its_meaning():
    assert network_place("files:/in", StorageType.SFTP).address == "sftp://files/in"
    assert network_place("https://cloud/dav", StorageType.WEBDAV).address == "webdavs://cloud/dav"


@pytest.mark.parametrize(
    "given",
    [
        *("file:///etc", "-t proc proc", "host:/x,exec", "relative/path", "ftp://h/x", "", "   "),
        *("//user:pw@127.0.0.1/s", "s3://key:secret@bucket", "//h/s/../../x", "//h/s\nx", "sftp://h/%2e%2e/x", "//h/*"),
    ],
)
def test_what_names_no_place_is_refused(given):
    with pytest.raises(Invalid) as refused:
        network_place(given)
    assert refused.value.fields[0].field == "network_path"


def test_another_type_than_the_path_is_of():
    with pytest.raises(Invalid, match="is of the type smb, not s3"):
        network_place("//files/x", StorageType.S3)


def test_a_mount_has_a_place_of_its_own():
    assert local_path_of("/mnt//network_share/./in/", ALLOWED) == "/mnt/network_share/in"


@pytest.mark.parametrize(
    "given",
    [
        *("/usr/bin", "/proc/self/cwd", "relative/dir", "/mnt", "/mnt/", "/mntx/y", "/mnt/../etc", "/mnt/..", "/"),
        *("/mnt/a,b=c", "/mnt/a\nb", "/mnt/-o", "/mnt/a*", "/mnt/\x00", "/mnt/" + "a" * 200, "/mnt/.hidden"),
    ],
)
def test_nothing_is_mounted_elsewhere(given):
    with pytest.raises(Invalid) as refused:
        local_path_of(given, ALLOWED)
    assert refused.value.fields[0].field == "local_path"


def test_other_folders_serve_and_are_not_told():
    assert local_path_of("/home/etl/files/nfs", ALLOWED, folders=["/home/etl/files"]) == "/home/etl/files/nfs"
    with pytest.raises(Invalid, match=r"must lie below /mnt or /media; an admin") as refused:
        local_path_of("/etc/x", ALLOWED, folders=["/home/etl/files"])
    assert "etl" not in str(refused.value)


def test_a_domain_is_part_of_the_login():
    made = connection_of(network_place("//f/x"), {"username": "etl", "password": "p", "domain": "COMPANY"})
    assert made == {"path": "smb://f/x", "username": r"COMPANY\etl", "password": "p"}


def test_credentials_of_another_kind_are_told():
    with pytest.raises(Invalid, match=r"credentials\.region: is of no use for smb; username, password are"):
        connection_of(network_place("//f/x"), {"region": "eu"})
