"""Which file system a path lies on, read from lists as Linux writes them."""

from __future__ import annotations

import pytest

from ccs.store.mounts import is_remote, kind_of

LIST = """\
22 27 0:21 / /proc rw,relatime - proc proc rw
27 1 254:1 / / rw,relatime shared:1 - ext4 /dev/vda1 rw
31 27 0:40 / /home rw,nosuid shared:5 master:2 - nfs4 nas:/export/home rw,vers=4.2
32 31 0:41 / /home/me/on\\040a\\134disk rw - ext4 /dev/sdb1 rw
33 27 0:42 / /mnt/share rw - cifs //nas/share rw
34 33 0:43 / /mnt/share rw - ext4 /dev/sdc1 rw
35 27 0:44 / /mnt/ssh rw - fuse.sshfs me@host: rw
36 27 0:45 / /mnt/c rw,noatime - 9p C:\\134 rw
garbage
37 27 0:46
"""


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("/", "ext4"),
        ("/var/lib/store", "ext4"),
        ("/home", "nfs4"),
        ("/home/me/.claude-scheduler", "nfs4"),
        ("/homeless/store", "ext4"),
        ("/home/me/on a\\disk/store", "ext4"),
        ("/mnt/share/store", "ext4"),  # mounted over, so the first one is hidden
        ("/mnt/ssh/store", "fuse.sshfs"),
        ("/mnt/c/Users/me", "9p"),
    ],
)
def test_the_deepest_and_latest_mount_counts(path, kind):
    assert kind_of(path, LIST) == kind


def test_a_list_that_says_nothing_gives_nothing():
    assert kind_of("/home", "") == kind_of("/home", "1 2 3 4 / - -\n") == ""


@pytest.mark.parametrize("kind", ["nfs", "nfs4", "cifs", "smb3", "9p", "fuse.sshfs"])
def test_what_other_machines_can_reach_is_remote(kind):
    assert is_remote(kind)


@pytest.mark.parametrize("kind", ["", "ext4", "btrfs", "xfs", "zfs", "tmpfs", "overlay", "apfs"])
def test_what_is_local_is_not(kind):
    assert not is_remote(kind)
