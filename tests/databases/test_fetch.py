import hashlib
import shutil
import subprocess

import pytest
import requests

from cdmer_bench.databases.fetch import ReleasedFile, fetch_released, git_blob_id
from cdmer_bench.errors import UserError
from tests.damages import DAMAGES

CONTENT = {"a.mat": b"first file", "b.mat": b"second file\0"}


def blob(content):
    return hashlib.sha1(b"blob " + str(len(content)).encode() + b"\0" + content).hexdigest()


FILES = tuple(ReleasedFile(name[0], name, blob(text)) for name, text in CONTENT.items())


@pytest.fixture
def source(tmp_path):
    folder = tmp_path / "source"
    folder.mkdir()
    for name, content in CONTENT.items():
        (folder / name).write_bytes(content)
    return folder


@pytest.fixture
def spoken():
    return []


def states(results):
    return [result.status for result in results]


@pytest.mark.skipif(shutil.which("git") is None, reason="git is not installed")
def test_blob_id_is_git_s_own(source):
    path = str(source / "b.mat")
    asked = subprocess.run(["git", "hash-object", path], capture_output=True, text=True, check=True)
    assert git_blob_id(path) == asked.stdout.strip()


def test_known_blob_id_of_the_empty_file(tmp_path):
    (tmp_path / "empty").touch()
    assert git_blob_id(tmp_path / "empty") == "e69de29bb2d1d6434b8b29ae775ad8c2e48c5391"


def test_copy_verifies_and_warns_of_the_licence(tmp_path, source, spoken):
    results = fetch_released(tmp_path / "new" / "place", source, FILES, spoken.append)
    assert states(results) == ["verified", "verified"]
    assert {p.name: p.read_bytes() for p in (tmp_path / "new" / "place").iterdir()} == CONTENT
    assert "no licence" in spoken[0]
    again = fetch_released(tmp_path / "new" / "place", source, FILES, spoken.append)
    assert "is in place" in again[0].message


def test_missing_file_is_named_and_the_rest_usable(tmp_path, source, spoken):
    (source / "a.mat").unlink()
    results = fetch_released(tmp_path / "to", source, FILES, spoken.append)
    assert states(results) == ["missing", "verified"]
    assert results[0].message.startswith("a.mat is not in")
    assert not results[0].usable
    assert [p.name for p in (tmp_path / "to").iterdir()] == ["b.mat"]


def test_wrong_content_never_arrives(tmp_path, source, spoken):
    (source / "a.mat").write_bytes(b"first fil3")
    results = fetch_released(tmp_path / "to", source, FILES, spoken.append)
    assert states(results) == ["wrong checksum", "verified"]
    assert str(source / "a.mat") in results[0].message
    assert FILES[0].blob in results[0].message
    assert [p.name for p in (tmp_path / "to").iterdir()] == ["b.mat"]


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_file_already_there_is_replaced(tmp_path, source, spoken, damage):
    (tmp_path / "to").mkdir()
    (tmp_path / "to" / "a.mat").write_bytes(DAMAGES[damage](CONTENT["a.mat"]))
    assert states(fetch_released(tmp_path / "to", source, FILES, spoken.append)) == ["verified"] * 2
    assert sum("a.mat was put in place" in line for line in spoken) == 1
    assert (tmp_path / "to" / "a.mat").read_bytes() == CONTENT["a.mat"]


def test_sha256_is_checked_too(tmp_path, source, spoken):
    wrong = ReleasedFile("a", "a.mat", FILES[0].blob, "0" * 64)
    result = fetch_released(tmp_path / "to", source, (wrong,), spoken.append)[0]
    assert result.status == "wrong checksum"
    assert "SHA-256" in result.message


class Answer:
    """What a server sends, as requests gives it."""

    def __init__(self, content):
        self.content, self.headers = content, {"content-length": str(len(content))}

    def raise_for_status(self):
        pass

    def iter_content(self, chunk_size):
        yield self.content

    def close(self):
        pass


def test_download_takes_the_pinned_commit(tmp_path, monkeypatch, spoken):
    asked = []

    def answer(address, timeout, **options):
        asked.append((address, timeout))
        return Answer(CONTENT[address.rsplit("/", 1)[1]])

    monkeypatch.setattr(requests, "get", answer)
    assert states(fetch_released(tmp_path / "to", None, FILES, spoken.append)) == ["verified"] * 2
    commit = "0ceef18ea3f5cb7a4cb0dac049b6250ffe075a01"
    assert f"/{commit}/data/3class/a.mat" in asked[0][0]
    assert asked[0][1] > 0


def test_offline_is_one_sentence_a_file(tmp_path, monkeypatch, spoken):
    def refuse(address, **options):
        raise requests.ConnectionError("Name or service not known")

    monkeypatch.setattr(requests, "get", refuse)
    results = fetch_released(tmp_path / "to", None, FILES, spoken.append)
    assert states(results) == ["failed", "failed"]
    assert "Name or service not known" in results[0].message
    assert "--from DIR" in results[0].message
    assert list((tmp_path / "to").iterdir()) == []


def test_folders_that_cannot_be_used(tmp_path, source):
    with pytest.raises(UserError, match="is not a folder"):
        fetch_released(tmp_path, tmp_path / "nowhere")
    with pytest.raises(UserError, match="cannot be made"):
        fetch_released(source / "a.mat" / "sub", source)


def test_the_authors_files_on_disk_are_verified(tmp_path, released_folder, spoken):
    results = fetch_released(tmp_path, released_folder, say=spoken.append)
    for result in results:
        present = (released_folder / result.name).is_file()
        assert result.status == ("verified" if present else "missing")


def test_a_wrong_file_in_the_place_is_told_where_the_right_one_cannot_be_had(
    tmp_path, source, spoken
):
    (tmp_path / "to").mkdir()
    (tmp_path / "to" / "a.mat").write_bytes(b"another")
    (source / "a.mat").unlink()
    results = fetch_released(tmp_path / "to", source, FILES, spoken.append)
    assert states(results) == ["missing", "verified"]
    assert "is there, but is not the released file" in results[0].message
    assert "is there, but" not in results[1].message


def test_a_fetched_file_can_be_read_by_those_whom_the_mask_allows(tmp_path, source, spoken):
    fetch_released(tmp_path / "to", source, FILES, spoken.append)
    plain = tmp_path / "plain"
    plain.touch()
    assert (tmp_path / "to" / "a.mat").stat().st_mode == plain.stat().st_mode
