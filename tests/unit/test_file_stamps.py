"""When changed files may be read."""

from __future__ import annotations

from tocsin.file_stamps import Settling, Stamps, look

A = Stamps("/git/.worktrees/one", (("tree.yaml", 1, 10, 5),))
WRITING = Stamps(A.real, (("tree.yaml", 2, 4, 5),))
WRITTEN = Stamps(A.real, (("tree.yaml", 3, 12, 5),))
TURNED = Stamps("/git/.worktrees/two", (("tree.yaml", 4, 12, 9),))


def test_files_that_are_written_in_place_are_read_when_two_looks_find_the_same():
    settling = Settling(A)
    looks = [A, WRITING, WRITTEN, WRITTEN, WRITTEN]
    assert [settling.may_read(now) for now in looks] == [False, False, False, True, True]
    settling.was_read(WRITTEN)
    assert not settling.may_read(WRITTEN)
    assert not settling.has_changed(WRITTEN)


def test_where_a_link_was_turned_they_are_read_at_once():
    settling = Settling(A)
    assert settling.may_read(TURNED)
    settling.was_read(TURNED)
    assert settling.may_read(A)


def test_a_look_sees_content_replaced_files_gone_and_links_turned(tmp_path):
    one, two = tmp_path / "one", tmp_path / "two"
    for folder in (one, two):
        folder.mkdir()
        (folder / "tree.yaml").write_text("config: A\n")
    link = tmp_path / "current"
    link.symlink_to(one)
    tree = link / "tree.yaml"
    names = [str(tree)]
    first = look(tree, names)
    assert first == look(tree, names)
    (tmp_path / "other").write_text("config: B\n")
    (tmp_path / "other").replace(one / "tree.yaml")
    replaced = look(tree, names)
    assert replaced != first
    assert replaced.real == first.real
    link.unlink()
    link.symlink_to(two)
    assert look(tree, names).real != first.real
    (two / "tree.yaml").unlink()
    assert look(tree, names).files == ((names[0], -1, -1, -1),)
