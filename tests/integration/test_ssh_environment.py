"""What ssh finds in its environment besides the user's own.

ssh keeps what it cannot hand on in one buffer, which it extends by copying:
glibc shall not fetch fresh pages from the kernel for each copy.  bench/run
first-20ms-down has what that is worth.
"""

OURS = {"MALLOC_MMAP_THRESHOLD_": "33554432",
        "MALLOC_TRIM_THRESHOLD_": "67108864"}


def _environment(pid):
    with open(f"/proc/{pid}/environ") as file:
        return dict(one.split("=", 1) for one in file.read().split("\0") if one)


def test_malloc(start_culvert, server):
    """ssh has culvert's values; culvert itself does not."""
    one = start_culvert(f"0:127.0.0.1:{server('vsftpd').port}")
    assert OURS.items() <= _environment(one.ssh).items()
    assert not OURS.keys() & _environment(one.pid).keys()


def test_malloc_of_the_user(start_culvert, server):
    """A value that the user has set is kept."""
    one = start_culvert(f"0:127.0.0.1:{server('vsftpd').port}",
                        env={"MALLOC_MMAP_THRESHOLD_": "1048576"})
    assert {**OURS, "MALLOC_MMAP_THRESHOLD_": "1048576"}.items() \
        <= _environment(one.ssh).items()
