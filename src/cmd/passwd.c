/*
 * culvert passwd: sets the password of a user in a login file.
 *
 * The new file is made in the directory of the old one and renamed over it, so
 * that nobody reads a part of it.  Meanwhile the old one is locked: a second
 * culvert passwd waits, and then reads what the first one has written.
 */
#include <crypt.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "base/log.h"
#include "base/terminal.h"
#include "cmd/cmd.h"
#include "gateway/login_file.h"
#include "limits.h"
#include "process/shared.h"

static const char help[] =
    "usage: culvert passwd [--directory DIR] [--read-only] FILE USER\n"
    "       culvert passwd --delete FILE USER\n"
    "\n"
    "Sets the password of a user in FILE, a login file for the SFTP gateway, or adds\n"
    "the user; makes the file if there is none.  Asks for the password on the\n"
    "terminal.  If standard input is no terminal, reads one line from it.\n"
    "\n"
    "      --directory DIR   the user's directory on the SFTP server; \"\": none\n"
    "      --read-only       the user may not change anything\n"
    "      --delete          remove the user\n"
    "  -h, --help\n"
    "\n"
    "Without --directory and --read-only, a user who is in the file keeps both.\n"
    "\n"
    "Exit status: 0 done, 1 not done, 2 bad usage.\n";

/* The attribute that has the access control list of a file. */
#define ACL_NAME "system.posix_acl_access"
#define ACL_MAX 4096

struct login_edit {
	const char *name;      /* of the file */
	const char *user;      /* the user's name */
	const char *directory; /* --directory; or NULL */
	unsigned read_only;
	unsigned delete;
	char hash[CRYPT_OUTPUT_SIZE];
	const char *doing; /* what passwd_replace() does, or could not do */

	char path[PATH_MAX]; /* of the file, without symbolic links */
	int fd;		     /* of the file, locked; -1: there is none */
	struct stat st;
	char *text; /* its contents */
	size_t len;
	struct login_file *logins; /* the same, parsed */
};

/* Logs what is wrong with the file.  Returns a negative errno. */
static int
passwd_failed(const struct login_edit *edit, int err)
{
	log_err("%s: %s", edit->name, strerror(-err));
	return err;
}

/* ---- reading the file ---- */

/* Finds out which file the name means.  -EINVAL: a symbolic link to no file. */
static int
passwd_resolve(struct login_edit *edit)
{
	struct stat st;

	if (realpath(edit->name, edit->path) != NULL)
		return 0;
	if (errno != ENOENT || strlen(edit->name) >= PATH_MAX)
		return -errno;
	strcpy(edit->path, edit->name);
	return lstat(edit->path, &st) == 0 && S_ISLNK(st.st_mode) ? -EINVAL : 0;
}

/* Opens and locks the file, if there is one.  -EINVAL: it is no regular file.
 */
static int
passwd_open(struct login_edit *edit)
{
	int err = passwd_resolve(edit);

	if (err != 0)
		return err;
	for (;;) {
		struct stat now;

		edit->fd = open(edit->path,
		    O_RDONLY | O_NOCTTY | O_NONBLOCK | O_CLOEXEC);
		if (edit->fd < 0)
			return errno == ENOENT ? 0 : -errno;
		if (fstat(edit->fd, &edit->st) != 0)
			return -errno;
		if (!S_ISREG(edit->st.st_mode))
			return -EINVAL;
		/* Some network file systems have no locks: then it fails, and
		 * two changes at the same time may lose one of them. */
		flock(edit->fd, LOCK_EX);
		if (stat(edit->path, &now) == 0 &&
		    now.st_dev == edit->st.st_dev &&
		    now.st_ino == edit->st.st_ino)
			return 0;
		/* Another process has replaced it. */
		close(edit->fd);
	}
}

static int
passwd_read(struct login_edit *edit)
{
	ssize_t n;

	edit->len = 0;
	edit->text = malloc(LIMIT_LOGIN_FILE + 1);
	if (edit->text == NULL)
		return -ENOMEM;
	while (edit->fd >= 0 && edit->len <= LIMIT_LOGIN_FILE &&
	    (n = read(edit->fd, edit->text + edit->len,
		 LIMIT_LOGIN_FILE + 1 - edit->len)) != 0) {
		if (n < 0 && errno != EINTR)
			return -errno;
		edit->len += n > 0 ? (size_t)n : 0;
	}
	return 0;
}

static void
passwd_close(struct login_edit *edit)
{
	login_file_free(edit->logins);
	edit->logins = NULL;
	free(edit->text);
	edit->text = NULL;
	if (edit->fd >= 0)
		close(edit->fd);
	edit->fd = -1;
}

/* Returns NULL if the text is wrong, which has been logged. */
static struct login_file *
passwd_parse(const struct login_edit *edit, const char *text, size_t len)
{
	char why[LOGIN_FILE_WHY_MAX];
	struct login_file *logins =
	    login_file_parse(text, len, why, sizeof(why));

	if (logins == NULL)
		log_err("%s: %s", edit->name, why);
	return logins;
}

/* Returns 0, or a negative errno, which has been logged. */
static int
passwd_load(struct login_edit *edit)
{
	int err = passwd_open(edit);

	if (err == 0)
		err = passwd_read(edit);
	if (err == -EINVAL)
		log_err("%s: neither a regular file nor a symbolic link to one",
		    edit->name);
	else if (err != 0)
		passwd_failed(edit, err);
	if (err != 0)
		return err;
	edit->logins = passwd_parse(edit, edit->text, edit->len);
	if (edit->logins == NULL)
		return -EINVAL;
	if (edit->delete == 0 ||
	    login_file_find(edit->logins, edit->user) != NULL)
		return 0;
	log_err("%s: there is no user %s", edit->name, edit->user);
	return -ENOENT;
}

/* ---- writing it ---- */

static int
passwd_put_line(const struct login_edit *edit, const struct login_user *old,
    FILE *out)
{
	bool read_only = edit->read_only > 0 || (old != NULL && old->read_only);
	const char *directory = old != NULL ? old->directory : "";

	if (edit->directory != NULL)
		directory = edit->directory;
	return fprintf(out, "%s:%s%s%s%s\n", edit->user, edit->hash,
	    directory[0] != '\0' || read_only ? ":" : "", directory,
	    read_only ? ":read-only" : "");
}

/* Writes the new text.  False: out of memory. */
static bool
passwd_put_text(const struct login_edit *edit, FILE *out)
{
	const struct login_user *old =
	    login_file_find(edit->logins, edit->user);
	size_t before = old != NULL ? old->at : edit->len;
	size_t after = old != NULL ? old->at + old->len + 1 : edit->len;
	bool open = before > 0 && edit->text[before - 1] != '\n';

	if (fprintf(out, "%.*s%s", (int)before, edit->text, open ? "\n" : "") <
		0 ||
	    (edit->delete == 0 && passwd_put_line(edit, old, out) < 0))
		return false;
	return after >= edit->len ||
	    fprintf(out, "%.*s", (int)(edit->len - after),
		edit->text + after) >= 0;
}

/* Makes the new text, on the heap.  Returns 0, or a negative errno, which has
 * been logged. */
static int
passwd_compose(const struct login_edit *edit, char **ret_text, size_t *ret_len)
{
	FILE *out = open_memstream(ret_text, ret_len);
	struct login_file *logins;
	bool good;

	if (out == NULL)
		return passwd_failed(edit, -errno);
	good = passwd_put_text(edit, out);
	if (fclose(out) != 0 || !good)
		return passwd_failed(edit, -ENOMEM);
	/* The file must remain one that culvert can read. */
	logins = passwd_parse(edit, *ret_text, *ret_len);
	if (logins == NULL)
		return -EINVAL;
	login_file_free(logins);
	return 0;
}

/* Gives the new file the owner, the mode and the access control list of the old
 * one. */
static int
passwd_keep_rights(const struct login_edit *edit, int fd)
{
	char acl[ACL_MAX];
	struct stat st;
	ssize_t n;

	if (edit->fd < 0)
		return 0;
	n = fgetxattr(edit->fd, ACL_NAME, acl, sizeof(acl));
	if (n < 0 && errno != ENODATA && errno != EOPNOTSUPP)
		return -errno;
	/* It may have got one from its directory (acl(5)). */
	if (n < 0 && errno == ENODATA && fremovexattr(fd, ACL_NAME) != 0 &&
	    errno != ENODATA)
		return -errno;
	if (fstat(fd, &st) != 0 ||
	    ((st.st_uid != edit->st.st_uid || st.st_gid != edit->st.st_gid) &&
		fchown(fd, edit->st.st_uid, edit->st.st_gid) != 0) ||
	    fchmod(fd, edit->st.st_mode & 07777) != 0)
		return -errno;
	if (n > 0 && fsetxattr(fd, ACL_NAME, acl, (size_t)n, 0) != 0)
		return -errno;
	return 0;
}

static int
passwd_write(int fd, const char *text, size_t len)
{
	while (len > 0) {
		ssize_t n = write(fd, text, len);

		if (n < 0 && errno != EINTR)
			return -errno;
		text += n > 0 ? n : 0;
		len -= n > 0 ? (size_t)n : 0;
	}
	return fsync(fd) == 0 ? 0 : -errno;
}

/* Gives the new file its rights and its contents. */
static int
passwd_fill(struct login_edit *edit, int fd, const char *text, size_t len)
{
	int err;

	edit->doing = "keep the owner, the mode and the access control list";
	err = passwd_keep_rights(edit, fd);
	if (err != 0)
		return err;
	edit->doing = "write the new file";
	return passwd_write(fd, text, len);
}

/* Returns 0; -EEXIST if the file was new, and now there is one; or another
 * negative errno, and edit->doing has failed. */
static int
passwd_replace(struct login_edit *edit, const char *text, size_t len)
{
	char path[PATH_MAX + 8];
	int fd, err;

	snprintf(path, sizeof(path), "%s.XXXXXX", edit->path);
	edit->doing = "make a file in the same directory";
	fd = mkostemp(path, O_CLOEXEC); /* mode 0600 */
	if (fd < 0)
		return -errno;
	err = passwd_fill(edit, fd, text, len);
	if (close(fd) != 0 && err == 0)
		err = -errno;
	if (err == 0) {
		edit->doing = "give the new file its name";
		/* link(2) replaces nothing. */
		if ((edit->fd < 0 ? link(path, edit->path) :
				    rename(path, edit->path)) != 0)
			err = -errno;
	}
	if (err != 0 || edit->fd < 0)
		unlink(path);
	return err;
}

/* Reads the file again, because it may have changed since the user was asked,
 * and replaces it.  Returns 0, or a negative errno, which has been logged. */
static int
passwd_change(struct login_edit *edit)
{
	sigset_t all, before;
	char *text = NULL;
	size_t len = 0;
	int err;

	sigfillset(&all);
	do {
		passwd_close(edit);
		err = passwd_load(edit);
		if (err == 0)
			err = passwd_compose(edit, &text, &len);
		if (err != 0)
			break;
		/* A signal must not leave a temporary file behind. */
		sigprocmask(SIG_BLOCK, &all, &before);
		err = passwd_replace(edit, text, len);
		sigprocmask(SIG_SETMASK, &before, NULL);
		free(text);
		text = NULL;
		if (err != 0 && err != -EEXIST)
			log_err("%s: cannot %s: %s", edit->name, edit->doing,
			    strerror(-err));
	} while (err == -EEXIST);
	free(text);
	return err;
}

/* ---- the password ---- */

static bool
passwd_ask(const struct login_edit *edit, char *text, size_t size)
{
	char prompt[LIMIT_LOGIN_LINE + 32], again[CRYPT_MAX_PASSPHRASE_SIZE];
	bool same = false;
	int err;

	if (isatty(STDIN_FILENO)) {
		snprintf(prompt, sizeof(prompt),
		    "New password of %s: ", edit->user);
		err = terminal_prompt(prompt, text, size);
		if (err == 0 && text[0] != '\0')
			err = terminal_prompt("The same again: ", again, size);
		else
			again[0] = '\0';
		same = err == 0 && strcmp(text, again) == 0;
		explicit_bzero(again, sizeof(again));
	} else {
		err = terminal_read_line(STDIN_FILENO, text, size);
		same = err == 0;
	}
	if (err == -EINVAL)
		log_err("the password has a NUL, which FTP cannot send");
	else if (err == -E2BIG)
		log_err("the password is longer than %zu bytes", size - 1);
	else if (err != 0)
		log_err("cannot read the password: %s", strerror(-err));
	else if (!same)
		log_err("the passwords differ");
	else if (text[0] == '\0')
		log_err("the password is empty");
	else if (strchr(text, '\r') != NULL)
		log_err("the password has a CR, which FTP cannot send");
	else
		return true;
	return false;
}

/* Reads the password and makes its hash. */
static bool
passwd_make_hash(struct login_edit *edit)
{
	char text[CRYPT_MAX_PASSPHRASE_SIZE];
	struct crypt_data data = { .initialized = 0 };
	const char *hash = NULL;
	bool asked = passwd_ask(edit, text, sizeof(text));

	if (asked &&
	    crypt_gensalt_rn("$y$", 0, NULL, 0, data.setting,
		sizeof(data.setting)) != NULL)
		hash = crypt_rn(text, data.setting, &data, (int)sizeof(data));
	if (hash != NULL)
		strcpy(edit->hash, hash);
	else if (asked)
		log_err("cannot hash the password: %s", strerror(errno));
	explicit_bzero(&data, sizeof(data));
	explicit_bzero(text, sizeof(text));
	return hash != NULL;
}

/* ---- culvert passwd ---- */

static bool
passwd_read_line(int argc, char **argv, struct login_edit *ret, int *ret_status)
{
	const struct options_own own[] = {
		{ "directory", '\0', .value = &ret->directory },
		{ "read-only", '\0', .count = &ret->read_only },
		{ "delete", '\0', .count = &ret->delete },
		{ .name = NULL },
	};
	const char *wrong = NULL;
	int first;

	if (command_read(argc, argv, own, help, &first, ret_status))
		return true;
	if (argc - first != 2)
		wrong = "give a file and a user";
	else if (ret->delete > 0 &&
	    (ret->directory != NULL || ret->read_only > 0))
		wrong = "--delete does not go with other options";
	else if (!login_file_is_field(argv[first + 1]))
		wrong = "a user cannot have a colon or a control character";
	else if (!login_file_is_user(argv[first + 1]))
		wrong = "a user cannot be empty, begin or end with a blank, or "
			"begin with #";
	else if (ret->directory != NULL && !login_file_is_field(ret->directory))
		wrong = "a directory cannot have a colon or a control "
			"character";
	if (wrong != NULL) {
		*ret_status = command_misused(argv[0], wrong);
		return true;
	}
	ret->name = argv[first];
	ret->user = argv[first + 1];
	return false;
}

int
command_passwd(int argc, char **argv)
{
	struct login_edit edit = { .fd = -1 };
	int status;

	if (passwd_read_line(argc, argv, &edit, &status))
		return status;
	/* If the file is wrong, the user learns it before the questions. */
	status = EXIT_FAILED;
	signal(SIGXFSZ, SIG_IGN); /* write(2) fails instead */
	if (passwd_load(&edit) == 0) {
		passwd_close(&edit);
		if ((edit.delete > 0 || passwd_make_hash(&edit)) &&
		    passwd_change(&edit) == 0)
			status = EXIT_STOPPED;
	}
	passwd_close(&edit);
	return status;
}
