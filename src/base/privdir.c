/*
 * The private directory.
 */
#include "base/privdir.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static int
make_in(const char *parent, char path[PRIVDIR_MAX])
{
	int len;

	if (parent == NULL || *parent != '/')
		return -ENOENT;
	len = snprintf(path, PRIVDIR_MAX, "%s/culvert.XXXXXX", parent);
	if (len < 0 || len >= PRIVDIR_MAX)
		return -ENAMETOOLONG;
	/* mkdtemp makes it with mode 0700. */
	return mkdtemp(path) != NULL ? 0 : -errno;
}

int
privdir_make(char path[PRIVDIR_MAX])
{
	int err = make_in(getenv("XDG_RUNTIME_DIR"), path);

	if (err != 0)
		err = make_in(getenv("TMPDIR"), path);
	if (err != 0)
		err = make_in("/tmp", path);
	if (err != 0)
		*path = '\0';
	return err;
}

void
privdir_remove(const char *path)
{
	struct dirent *entry;
	DIR *dir;

	if (*path == '\0')
		return;
	dir = opendir(path);
	if (dir != NULL) {
		while ((entry = readdir(dir)) != NULL)
			if (entry->d_name[0] != '.')
				unlinkat(dirfd(dir), entry->d_name, 0);
		closedir(dir);
	}
	rmdir(path);
}
