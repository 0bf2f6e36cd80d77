"""A journal is its file: through whatever path somebody comes to it, it is the same one."""

from __future__ import annotations

import os
from datetime import UTC, datetime
from pathlib import Path

import pytest
from click.testing import CliRunner

from popheal import Journal
from popheal.cli.app import popheal
from popheal.errors import AlreadyRunning, JournalError
from popheal.journal import locks, place
from popheal.watch.watch_lock import watching_alone

NOW = datetime(2026, 1, 5, 8, 0, tzinfo=UTC)
linked = pytest.mark.skipif(not hasattr(os, "O_NOFOLLOW"), reason="needs symbolic links")


def begun(journal: Journal, name: str = "one"):
    return journal.begin(
        name, at=NOW, organisation="here", server="mbx1", version="0", alert={}, policy={}
    )


@pytest.fixture
def path(tmp_path):
    folder = tmp_path / "folder"
    folder.mkdir()
    return folder / "journal"


def by_link(path: Path, elsewhere: Path) -> Path:
    elsewhere.symlink_to(path)
    return elsewhere


def by_folder(path: Path, elsewhere: Path) -> Path:
    elsewhere.symlink_to(path.parent)
    return elsewhere / path.name


def by_two_links(path: Path, elsewhere: Path) -> Path:
    between = elsewhere.with_name("between")
    between.symlink_to(path.parent, target_is_directory=True)
    elsewhere.symlink_to(Path("between") / path.name)
    return elsewhere


def by_hard_link(path: Path, _: Path) -> Path:
    other = path.with_name("other")
    os.link(path, other)
    return other


def by_a_way_around(path: Path, _: Path) -> Path:
    return path.parent / ".." / path.parent.name / path.name


@linked
@pytest.mark.parametrize(
    "way",
    [by_link, by_folder, by_two_links, by_hard_link, by_a_way_around],
    ids=lambda f: f.__name__,
)
def test_a_living_owner_is_seen_by_any_way(path, tmp_path, way):
    with Journal(path) as journal:
        begun(journal)
        other = way(path, tmp_path / "elsewhere")
        with Journal(other) as same:
            assert same.path == journal.path
            assert same.healing("one").alive
            with pytest.raises(AlreadyRunning):
                same.take_over("one", at=NOW)
            begun(same, "two")
        assert [one.id for one in journal.healings()] == ["one", "two"]
        files = {one.name.partition("-")[0] for one in path.parent.iterdir()} - {"other"}
        assert files == {"journal"}
        assert not [one for one in tmp_path.iterdir() if "-" in one.name]


@linked
def test_two_watches_by_two_paths_are_two_of_one_journal(path, tmp_path):
    with (
        Journal(path) as journal,
        Journal(by_link(path, tmp_path / "link")) as same,
        watching_alone(journal),
        pytest.raises(JournalError, match="being watched by another"),
        watching_alone(same),
    ):
        pass


def test_it_stays_itself_when_the_process_goes_elsewhere(path, tmp_path, monkeypatch):
    monkeypatch.chdir(path.parent)
    with Journal(path.name) as journal:
        monkeypatch.chdir(tmp_path)
        lease = begun(journal)
        lease.claim("server", "mbx1")
        assert locks.path_of(path, 1).exists()
        with Journal(path) as same:
            assert same.healing("one").alive
        lease.end(at=NOW, verdict="recovered", report={})


@linked
def test_a_link_to_nothing_is_made_where_it_leads(path, tmp_path):
    with Journal(by_link(path, tmp_path / "link")) as journal:
        begun(journal)
        assert path.is_file()
        assert journal.path == path


@linked
def test_a_file_of_two_names_that_nobody_has_is_only_read(path):
    """Which of them is the one can't be told: SQLite would keep a log beside each."""
    with Journal(path) as journal:
        begun(journal).end(at=NOW, verdict="recovered", report={})
    other = by_hard_link(path, path)
    with pytest.raises(JournalError, match=r"has 2 names .*also .*journal\. Keep"):
        Journal(other)
    with Journal(other, read_only=True) as journal:
        assert [one.id for one in journal.healings()] == ["one"]
    other.unlink()
    Journal(path).close()


@linked
def test_a_name_elsewhere_is_refused_while_it_is_in_use(path, tmp_path):
    with Journal(path) as journal:
        begun(journal)
        os.link(path, tmp_path / "elsewhere")
        for only_read in (False, True):
            with pytest.raises(JournalError, match=r"has 2 names .*, also one elsewhere"):
                Journal(tmp_path / "elsewhere", read_only=only_read)


@linked
def test_a_circle_of_links_is_told(tmp_path):
    (tmp_path / "a").symlink_to(tmp_path / "b")
    (tmp_path / "b").symlink_to(tmp_path / "a")
    with pytest.raises(JournalError, match="can't be looked at"):
        Journal(tmp_path / "a")


# --- files beside it -----------------------------------------------------------------------------


@linked
def test_no_owner_file_is_made_through_a_link(path, tmp_path):
    """Nobody can have popheal lock, or take away, another file."""
    victim = tmp_path / "victim"
    victim.write_text("precious")
    Journal(path).close()
    for make in (lambda: locks.path_of(path, 1).symlink_to(victim), None):
        if make:
            make()
        else:
            locks.path_of(path, 1).unlink()
            os.link(victim, locks.path_of(path, 1))
        with Journal(path) as journal, pytest.raises(JournalError, match="can't be locked"):
            begun(journal)
    assert victim.read_text() == "precious"


@linked
def test_what_a_link_leads_to_does_not_tell_that_an_owner_has_died(path, tmp_path):
    with Journal(path) as journal:
        begun(journal)
        file = locks.path_of(path, 1)
        file.rename(tmp_path / "moved")
        (tmp_path / "free").touch()
        file.symlink_to(tmp_path / "free")
        with Journal(path) as other:
            assert other.healing("one").alive
        file.unlink()
        (tmp_path / "moved").rename(file)


# --- what speaks against a place -----------------------------------------------------------------


@pytest.mark.skipif(os.name != "posix", reason="needs modes of files")
def test_a_place_that_others_can_write_is_warned_about(path):
    with Journal(path) as journal:
        assert journal.concerns == ()
        path.chmod(0o660)
        (one,) = journal.concerns
        assert "others than its owner can write" in one.problem
        assert f"chmod 600 {path}" in one.next_step
        path.chmod(0o600)
        path.parent.chmod(0o777)
        (one,) = journal.concerns
        assert "others can put files beside" in one.problem
    result = CliRunner().invoke(popheal, ["cancel", "none", "--journal", str(path)])
    assert "others can put files beside" in result.stderr


MOUNTS = """\
22 27 0:21 / /proc rw,relatime - proc proc rw
27 1 254:0 / / rw,relatime - ext4 /dev/vda rw
28 27 0:50 / /srv/share rw,relatime - nfs4 filer:/vol rw,vers=4.2
29 27 0:51 / /srv/with\\040space rw,relatime - cifs //filer/x rw
30 28 0:52 / /srv/share/local rw,relatime - xfs /dev/vdb rw
31 27 0:53 / /home rw,relatime shared:5 - ext4 /dev/vdc rw
32 31 0:54 / /home rw,relatime - fuse.sshfs ann@host: rw
"""


@pytest.mark.parametrize(
    ("file", "kind"),
    [
        ("/var/lib/popheal/journal.db", ""),
        ("/srv/share/popheal/journal.db", "nfs4"),
        ("/srv/sharedisk/journal.db", ""),
        ("/srv/with space/journal.db", "cifs"),
        ("/srv/share/local/journal.db", ""),
        ("/home/ann/journal.db", "fuse.sshfs"),
    ],
)
@pytest.mark.skipif(os.name != "posix", reason="these are mounts of Linux")
def test_a_network_file_system_is_recognised(tmp_path, monkeypatch, file, kind):
    (tmp_path / "mountinfo").write_text(MOUNTS)
    monkeypatch.setattr(place, "_MOUNTS", tmp_path / "mountinfo")
    assert place.network_file_system(Path(file)) == kind


def test_where_mounts_can_not_be_read_nothing_is_said(tmp_path, monkeypatch):
    monkeypatch.setattr(place, "_MOUNTS", tmp_path / "nothing")
    assert place.network_file_system(tmp_path / "journal") == ""


def test_a_file_that_is_mounted_alone_is_refused(path, tmp_path, monkeypatch):
    """As a container may have it: what lies beside the file is not what lies beside it there."""
    Journal(path).close()
    mounts = tmp_path / "mounts"
    escaped = str(path.resolve()).replace(" ", "\\040")
    mounts.write_text(f"22 1 8:1 / / rw - ext4 /dev/sda rw\n23 1 8:1 /j {escaped} rw - ext4 x rw\n")
    monkeypatch.setattr(place, "_MOUNTS", mounts)
    with pytest.raises(JournalError, match=r"is mounted there alone.*Mount the folder"):
        Journal(path)
    with Journal(path, read_only=True) as journal:
        assert journal.healings() == []


def test_names_beyond_ascii_are_known_among_the_mounts(tmp_path, monkeypatch):
    folder = tmp_path / "büro und so"
    folder.mkdir()
    mounts = tmp_path / "mounts"
    escaped = str(folder.resolve()).replace(" ", "\\040")
    mounts.write_text(f"23 1 0:50 / {escaped} rw - nfs4 there:/ rw\n", "utf-8")
    monkeypatch.setattr(place, "_MOUNTS", mounts)
    assert place.network_file_system(folder.resolve() / "journal") == "nfs4"


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs such files")
def test_what_is_no_file_is_said_to_be_none(path):
    os.mkfifo(path)
    for other in (path, path.parent, Path(os.devnull)):
        with pytest.raises(JournalError, match="is no file"):
            Journal(other)
