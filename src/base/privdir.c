/*
 * The private directory.
 */
#include "base/privdir.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"

/* The levels of directories below the private directory. */
#define PRIVDIR_DEPTH 2

/* ---- checks ---- */

/* Checks one of the directories of a path. */
static int
check_one(const char *path, char *why, size_t size)
{
	struct stat st;

	if (lstat(path, &st) != 0)
		return -errno;
	if (st.st_uid != 0 && st.st_uid != geteuid())
		snprintf(why, size,
		    "%s belongs to another user, who could replace its files",
		    path);
	else if ((st.st_mode & (S_IWGRP | S_IWOTH)) != 0 &&
	    (st.st_mode & S_ISVTX) == 0)
		snprintf(why, size,
		    "other users can write to %s, which has no sticky bit, "
		    "and could replace its files",
		    path);
	else
		return 0;
	return -EPERM;
}

/* Can only this user and root rename or remove what is in this directory?
 * Returns 0; -EPERM, with the reason in why; or another negative errno. */
static int
check_parent(const char *parent, char *why, size_t size)
{
	char path[PATH_MAX];
	char *end;
	int err;

	if (realpath(parent, path) == NULL)
		return -errno;
	/* From the deepest directory up to "/". */
	for (;;) {
		err = check_one(path, why, size);
		if (err != 0 || path[1] == '\0')
			return err;
		end = strrchr(path, '/');
		end[end == path ? 1 : 0] = '\0';
	}
}

int
privdir_check(const char *path, char *why, size_t size)
{
	CLEANUP(cleanup_fd)
	int fd = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	struct stat st;
	int err = EPERM;

	if (fd < 0 || fstat(fd, &st) != 0) {
		err = errno;
		snprintf(why, size,
		    "the private directory %s cannot be "
		    "used: %s",
		    path, strerror(err));
	} else if (st.st_uid != geteuid()) {
		snprintf(why, size,
		    "the private directory %s belongs to another user", path);
	} else if ((st.st_mode & 0777) != 0700) {
		snprintf(why, size,
		    "the private directory %s has mode %04o "
		    "instead of 0700",
		    path, (unsigned)(st.st_mode & 0777));
	} else {
		return 0;
	}
	return -err;
}

/* ---- making and removing ---- */

static int
make_in(const char *parent, char path[PRIVDIR_MAX], char *why, size_t size)
{
	int len, err;

	if (parent == NULL || *parent != '/')
		return -ENOENT;
	len = snprintf(path, PRIVDIR_MAX, "%s/culvert.XXXXXX", parent);
	if (len < 0 || len >= PRIVDIR_MAX)
		return -ENAMETOOLONG;
	err = check_parent(parent, why, size);
	if (err != 0)
		return err;
	/* mkdtemp makes it with mode 0700. */
	if (mkdtemp(path) == NULL)
		return -errno;
	err = privdir_check(path, why, size);
	if (err != 0)
		rmdir(path);
	return err;
}

int
privdir_make(char path[PRIVDIR_MAX], char *why, size_t size)
{
	const char *const parents[] = { getenv("XDG_RUNTIME_DIR"),
		getenv("TMPDIR"), "/tmp" };
	int err = -ENOENT;

	*why = '\0';
	for (size_t i = 0; i < sizeof(parents) / sizeof(parents[0]); i++) {
		err = make_in(parents[i], path, why, size);
		if (err == 0)
			return 0;
	}
	*path = '\0';
	if (*why == '\0')
		snprintf(why, size, "cannot make a private directory: %s",
		    strerror(-err));
	return err;
}

/* Removes what the directory fd contains, and closes fd.  depth: the levels of
 * directories below it. */
static void
empty(int fd, int depth)
{
	struct dirent *entry;
	DIR *dir = fdopendir(fd);
	int below;

	if (dir == NULL) {
		close(fd);
		return;
	}
	while ((entry = readdir(dir)) != NULL) {
		const char *name = entry->d_name;

		if (strcmp(name, ".") == 0 || strcmp(name, "..") == 0 ||
		    unlinkat(fd, name, 0) == 0 || depth == 0)
			continue;
		below = openat(fd, name,
		    O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
		if (below >= 0)
			empty(below, depth - 1);
		unlinkat(fd, name, AT_REMOVEDIR);
	}
	closedir(dir);
}

void
privdir_remove(const char *path)
{
	int fd;

	if (*path == '\0')
		return;
	fd = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd >= 0)
		empty(fd, PRIVDIR_DEPTH);
	rmdir(path);
}
