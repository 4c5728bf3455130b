/*
 * The login files that tunnels name.
 */
#include "process/logins.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/log.h"
#include "base/user.h"
#include "limits.h"

/* Longest reason, with its NUL. */
#define LOGINS_WHY_MAX 256

/* ---- one file ---- */

/* NULL if it is a file that only root, the user of this process and that user
 * can change; else what is wrong. */
static const char *
logins_wrong(const struct stat *st, const char *user)
{
	struct user other = { .name = NULL };
	bool own = st->st_uid == 0 || st->st_uid == geteuid();

	if (!S_ISREG(st->st_mode))
		return "it is not a regular file";
	if (!own && user != NULL && user_find(user, &other) == 0)
		own = st->st_uid == other.uid;
	user_free(&other);
	if (!own)
		return "it belongs to another user than root and the one who "
		       "runs culvert; use chown(1)";
	if ((st->st_mode & 022) != 0)
		return "other users can write to it; use chmod go-w";
	return NULL;
}

/* Reads the file into *ret, on the heap.  Returns 0 or a negative errno. */
static int
logins_load(int fd, char **ret, size_t *ret_len)
{
	char *text = malloc(LIMIT_LOGIN_FILE + 1);
	size_t len = 0;
	ssize_t n = 1;

	if (text == NULL)
		return -ENOMEM;
	/* If the file is too large, one byte more than the limit is read, and
	 * login_file_parse() refuses it. */
	while (n != 0 && len <= LIMIT_LOGIN_FILE) {
		n = read(fd, text + len, LIMIT_LOGIN_FILE + 1 - len);
		if (n < 0 && errno != EINTR) {
			int err = -errno;

			free(text);
			return err;
		}
		len += n > 0 ? (size_t)n : 0;
	}
	*ret = text;
	*ret_len = len;
	return 0;
}

/* What helps against that error. */
static const char *
logins_hint(int err)
{
	if (err == -ENOENT)
		return "; \"culvert passwd\" makes the file";
	if (err == -EACCES)
		return "; permit the user who runs culvert to read it";
	return "";
}

/* Appends the path and the text of a file, each with a NUL.  Returns false with
 * the reason in why. */
static bool
logins_add(FILE *out, const char *path, const char *user,
    char why[LOGINS_WHY_MAX])
{
	CLEANUP(cleanup_fd)
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	struct login_file *file;
	struct stat st;
	const char *wrong;
	char *text;
	size_t len;
	int err = 0;
	bool good;

	if (fd < 0 || fstat(fd, &st) != 0)
		err = -errno;
	wrong = err == 0 ? logins_wrong(&st, user) : NULL;
	if (err == 0 && wrong == NULL)
		err = logins_load(fd, &text, &len);
	if (err != 0 || wrong != NULL) {
		snprintf(why, LOGINS_WHY_MAX, "%s%s",
		    wrong != NULL ? wrong : strerror(-err), logins_hint(err));
		return false;
	}
	if ((st.st_mode & 04) != 0)
		log_warn("%s: all users of this host can read it; use chmod "
			 "o-r",
		    path);
	file = login_file_parse(text, len, why, LOGINS_WHY_MAX);
	good = file != NULL;
	login_file_free(file);
	/* The text has no NUL; login_file_parse() has checked that. */
	if (good &&
	    fprintf(out, "%s%c%.*s%c", path, '\0', (int)len, text, '\0') < 0) {
		snprintf(why, LOGINS_WHY_MAX, "out of memory");
		good = false;
	}
	free(text);
	return good;
}

/* ---- all files ---- */

/* Makes the message: where the tunnel names the file, and the reason. */
static void
logins_complain(const struct config_tunnel *tunnel, const char *reason,
    char why[SETTINGS_WHY_MAX])
{
	for (size_t i = 0; i < tunnel->n_settings; i++)
		if (strcmp(tunnel->settings[i]->key, "login-file") == 0) {
			settings_complain_value(why, tunnel->settings[i], "%s",
			    reason);
			return;
		}
	snprintf(why, SETTINGS_WHY_MAX, "--login-file %s: %s",
	    tunnel->options.sftp.login_file, reason);
}

/* The path of the tunnel's file; NULL if it has none, or the command line does
 * not name the tunnel. */
static const char *
logins_path(const struct config_tunnel *tunnel, const struct command_line *line)
{
	return line == NULL || command_line_wants(line, tunnel->name) ?
	    tunnel->options.sftp.login_file :
	    NULL;
}

/* Appends the file of a tunnel, unless an earlier tunnel has the same.  Returns
 * false with a message in why. */
static bool
logins_add_of(FILE *out, const struct config_tunnel *tunnels, size_t number,
    const struct command_line *line, char why[SETTINGS_WHY_MAX])
{
	const struct config_tunnel *tunnel = &tunnels[number];
	const char *path = logins_path(tunnel, line);
	char reason[LOGINS_WHY_MAX];

	for (size_t i = 0; i < number && path != NULL; i++) {
		const char *other = logins_path(&tunnels[i], line);

		if (other != NULL && strcmp(other, path) == 0)
			return true;
	}
	if (path == NULL || logins_add(out, path, tunnel->options.user, reason))
		return true;
	logins_complain(tunnel, reason, why);
	return false;
}

char *
logins_gather(const struct config_tunnel *tunnels, size_t n,
    const struct command_line *line, size_t *ret_len,
    char why[SETTINGS_WHY_MAX])
{
	char *bytes = NULL;
	FILE *out = open_memstream(&bytes, ret_len);
	bool good = out != NULL;

	settings_no_memory(why); /* unless something else fails */
	for (size_t i = 0; i < n && good; i++)
		good = logins_add_of(out, tunnels, i, line, why);
	if (out != NULL && fclose(out) == 0 && good)
		return bytes;
	free(bytes);
	return NULL;
}

/* ---- in the process that uses them ---- */

/* Adds a file, and takes over its reference; NULL: memory was short.  Returns 0
 * or -ENOMEM. */
static int
logins_append(struct logins *logins, const char *path, struct login_file *file)
{
	struct logins_entry *grown = file == NULL ?
	    NULL :
	    reallocarray(logins->list, logins->n + 1, sizeof(*grown));
	char *copy = grown == NULL ? NULL : strdup(path);

	if (grown != NULL)
		logins->list = grown;
	if (copy == NULL) {
		login_file_free(file);
		return -ENOMEM;
	}
	grown[logins->n++] = (struct logins_entry) { copy, file };
	return 0;
}

int
logins_parse(const char *bytes, size_t len, struct logins *ret)
{
	char why[LOGIN_FILE_WHY_MAX];
	const char *end = bytes + len;
	int err = 0;

	*ret = (struct logins) { .n = 0 };
	while (bytes < end && err == 0) {
		const char *text = memchr(bytes, '\0', (size_t)(end - bytes));
		const char *nul = text == NULL ?
		    NULL :
		    memchr(text + 1, '\0', (size_t)(end - text - 1));

		if (nul == NULL)
			return -EINVAL;
		err = logins_append(ret, bytes,
		    login_file_parse(text + 1, (size_t)(nul - text - 1), why,
			sizeof(why)));
		bytes = nul + 1;
	}
	return err;
}

int
logins_read(const struct config_tunnel *tunnels, size_t n,
    const struct command_line *line, struct logins *ret,
    char why[SETTINGS_WHY_MAX])
{
	size_t len = 0;
	char *bytes = logins_gather(tunnels, n, line, &len, why);
	int err;

	*ret = (struct logins) { .n = 0 };
	if (bytes == NULL)
		return -EINVAL;
	err = logins_parse(bytes, len, ret);
	free(bytes);
	return err == 0 ? 0 : settings_no_memory(why);
}

struct login_file *
logins_find(const struct logins *logins, const char *path)
{
	for (size_t i = 0; i < logins->n; i++)
		if (strcmp(logins->list[i].path, path) == 0)
			return logins->list[i].file;
	assert(false);
}

void
logins_free(struct logins *logins)
{
	for (size_t i = 0; i < logins->n; i++) {
		free(logins->list[i].path);
		login_file_free(logins->list[i].file);
	}
	free(logins->list);
	*logins = (struct logins) { .n = 0 };
}
