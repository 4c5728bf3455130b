/*
 * culvert check, last step of a "sftp/": the SFTP server of the destination.
 *
 *	SFTP -- extensions -- directory -- free space -- write test, speed
 *
 * The write test is what the gateway does for an upload (gateway/upload.h): it
 * writes to a temporary name, and renames that over another file.  Files that
 * may exist are removed at the end, also after a failure or a signal.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>

#include "base/log.h"
#include "check/check_priv.h"
#include "check/sftp_probe.h"
#include "gateway/status.h"

/* The largest test file; it takes at most an eighth of the free space. */
#define SFTP_TEST_BYTES (4 * 1024 * 1024)
/* How long it may grow. */
#define SFTP_TEST_MS 3000

enum sftp_file {
	SFTP_FILE_NEW, /* is written, and renamed to the name of the old one */
	SFTP_FILE_OLD,
	SFTP_FILE_BACKUP, /* the old one's other name, if RENAME replaces no
			   * file */
};

#define SFTP_FILES (SFTP_FILE_BACKUP + 1)

struct sftp_test {
	struct check *check;
	const struct options *conf;
	const struct forward *forward;
	struct sftp_probe probe;
	char directory[SFTP_PATH_MAX + 1];
	struct {
		char path[SFTP_PATH_MAX + 32];
		bool may_exist;
	} files[SFTP_FILES];
	uint64_t bytes; /* of the test file */
	struct sftp_copy copy;
};

/* ---- findings ---- */

static void
sftp_find_as(struct sftp_test *test, enum finding finding,
    enum advice_status status)
{
	fact_escape(&test->check->facts, FACT_REPLY, test->probe.why);
	if (check_link_holds(test->check))
		check_find_as(test->check, finding, status);
}

/* Returns false. */
static bool
sftp_find(struct sftp_test *test, enum finding finding)
{
	sftp_find_as(test, finding, advice_worst(finding));
	return false;
}

/* ---- requests ---- */

static bool
sftp_test_open(struct sftp_test *test, enum sftp_file file, uint32_t how)
{
	const struct sftp_request request = {
		.op = SFTP_OPEN,
		.name = sftp_string_of(test->files[file].path),
		.open = how,
	};
	const struct sftp_probe *probe = &test->probe;
	bool good;

	test->files[file].may_exist = true;
	good = sftp_probe_send(&test->probe, STATUS_OF_STORE, &request);
	/* After a refusal, it was not made. */
	if (!good && how != SFTP_OPEN_READ)
		test->files[file].may_exist =
		    !probe->answered || probe->status == SFTP_CONNECTION_LOST;
	return good;
}

static bool
sftp_test_create(struct sftp_test *test, enum sftp_file file)
{
	return sftp_test_open(test, file,
	    SFTP_OPEN_WRITE | SFTP_OPEN_CREATE | SFTP_OPEN_EXCLUSIVE);
}

static bool
sftp_test_rename(struct sftp_test *test, enum sftp_op op, enum sftp_file from,
    enum sftp_file to)
{
	const struct sftp_request request = {
		.op = op,
		.name = sftp_string_of(test->files[from].path),
		.to = sftp_string_of(test->files[to].path),
	};

	test->files[to].may_exist = true;
	if (!sftp_probe_send(&test->probe, STATUS_OF_STORE, &request))
		return false;
	test->files[from].may_exist = false;
	return true;
}

/* ---- SFTP, extensions ---- */

static enum finding
why_no_sftp(const struct sftp_test *test)
{
	const struct peer *peer = &test->probe.peer;
	const char *why = peer->attempt.why;

	if (peer->attempt.err == -EACCES)
		return strstr(why, "MaxSessions") != NULL ? FILES_NO_SESSION :
							    FILES_NO_SUBSYSTEM;
	if (peer->attempt.err == -EPROTO)
		return FILES_FOREIGN;
	if (!peer->opened || !peer->ended)
		return FILES_NO_ANSWER;
	return facts_key_has(&test->check->facts, "command") ? FILES_ENDED_KEY :
							       FILES_ENDED;
}

static bool
sftp_open(struct sftp_test *test)
{
	struct check *check = test->check;
	struct link *link = links_first(check->link.links);

	if (sftp_probe_open(&test->probe, link))
		return true;
	fact_set(&check->facts, FACT_WHY,
	    test->probe.peer.attempt.why[0] != '\0' ?
		test->probe.peer.attempt.why :
		"no answer in time");
	return sftp_find(test, why_no_sftp(test));
}

static void
sftp_extensions(struct sftp_test *test)
{
	static const struct {
		enum sftp_op op;
		const char *name;
	} extensions[] = {
		{ SFTP_POSIX_RENAME, "posix-rename" },
		{ SFTP_FSYNC, "fsync" },
		{ SFTP_STATVFS, "statvfs" },
		{ SFTP_LIMITS, "limits" },
	};
	struct facts *facts = &test->check->facts;
	const struct sftp *sftp = test->probe.sftp;
	char has[FACT_MAX] = "", lacks[FACT_MAX] = "";

	for (size_t i = 0; i < sizeof(extensions) / sizeof(*extensions); i++) {
		char *text = sftp_can(sftp, extensions[i].op) ? has : lacks;
		size_t len = strlen(text);

		snprintf(text + len, FACT_MAX - len, "%s%s",
		    len > 0 ? ", " : "", extensions[i].name);
	}
	fact_set(facts, FACT_EXTENSIONS, has[0] != '\0' ? has : "none");
	fact_format(facts, FACT_LACKS, lacks[0] != '\0' ? "; lacks %s" : "%s",
	    lacks);
	sftp_find(test, FILES_READY);
	if (!sftp_can(sftp, SFTP_POSIX_RENAME))
		sftp_find_as(test, FILES_NO_POSIX_RENAME,
		    test->conf->sftp.in_place || test->conf->read_only ?
			ADVICE_OK :
			ADVICE_NOTE);
	if (!sftp_can(sftp, SFTP_FSYNC) && test->conf->sftp.fsync)
		sftp_find(test, FILES_NO_FSYNC);
	if (!sftp_can(sftp, SFTP_LIMITS))
		sftp_find(test, FILES_NO_LIMITS);
}

/* ---- directory, free space ---- */

static bool
sftp_directory(struct sftp_test *test)
{
	struct facts *facts = &test->check->facts;
	struct sftp_probe *probe = &test->probe;
	const char *given = test->forward->directory;

	if (*given == '\0')
		given = ".";
	fact_escape(facts, FACT_PATH, given);
	if (!sftp_probe_path(probe, SFTP_REALPATH, given))
		return sftp_find(test, FILES_NO_DIRECTORY);
	/* OpenSSH on Windows has said "C:/Users"; it wants "/C:/Users". */
	snprintf(test->directory, sizeof(test->directory), "%s%s",
	    probe->text[0] == '/' ? "" : "/", probe->text);
	fact_escape(facts, FACT_PATH, test->directory);
	if (!sftp_probe_path(probe, SFTP_STAT, test->directory) &&
	    probe->status == SFTP_NO_SUCH_FILE)
		return sftp_find(test, FILES_NO_DIRECTORY);
	if ((probe->attrs.has & SFTP_ATTR_MODE) != 0 &&
	    !S_ISDIR(probe->attrs.mode))
		return sftp_find(test, FILES_NO_DIRECTORY_FILE);
	if (!sftp_probe_path(probe, SFTP_OPENDIR, test->directory)) {
		sftp_find(test, FILES_NOT_LISTED);
		return true;
	}
	(void)sftp_probe_handle(probe, SFTP_CLOSE);
	sftp_find(test, FILES_DIRECTORY);
	return true;
}

static void
sftp_set_size(struct sftp_test *test, enum fact_id id, uint64_t bytes)
{
	const char *unit = "KMGT";
	double size = (double)bytes / 1024;

	for (; size >= 1024 && unit[1] != '\0'; unit++)
		size /= 1024;
	fact_format(&test->check->facts, id, "%.1f %ciB", size, *unit);
}

/* Sets the size of the test file, too. */
static void
sftp_space(struct sftp_test *test)
{
	struct sftp_probe *probe = &test->probe;
	const struct sftp_space *space = &probe->space;

	test->bytes = SFTP_TEST_BYTES;
	if (!sftp_can(probe->sftp, SFTP_STATVFS)) {
		sftp_find(test, FILES_NO_STATVFS);
		return;
	}
	if (!sftp_probe_path(probe, SFTP_STATVFS, test->directory)) {
		sftp_find(test, FILES_SPACE_UNKNOWN);
		return;
	}
	sftp_set_size(test, FACT_FREE, space->available);
	sftp_set_size(test, FACT_TOTAL, space->total);
	sftp_find(test, space->available == 0 ? FILES_FULL : FILES_SPACE);
	if (test->bytes > space->available / 8)
		test->bytes = space->available / 8;
	if (test->bytes < SFTP_BLOCK)
		test->bytes = SFTP_BLOCK;
}

/* ---- write test, speed ---- */

static void
sftp_name_files(struct sftp_test *test)
{
	const char *slash = strcmp(test->directory, "/") == 0 ? "" : "/";

	for (size_t i = 0; i < SFTP_FILES; i++) {
		uint64_t number = 0;

		/* Never less for so few bytes (getrandom(2)). */
		(void)!getrandom(&number, sizeof(number), 0);
		snprintf(test->files[i].path, sizeof(test->files[i].path),
		    "%s%s.culvert-%016llx", test->directory, slash,
		    (unsigned long long)number);
	}
}

/* Writes the open file, or reads it. */
static bool
sftp_copy_file(struct sftp_test *test, bool write, enum fact_id rate)
{
	struct sftp_copy *copy = &test->copy;
	const struct sftp *sftp = test->probe.sftp;
	uint64_t most = test->conf->sftp.max_packet;
	/* The same for WRITE and READ, because each block of the file has the
	 * same bytes. */
	uint32_t written = sftp_max_write(sftp), read = sftp_max_read(sftp);
	uint32_t block_len = written < read ? written : read;
	double mb; /* per second */
	bool good;

	*copy = (struct sftp_copy) {
		.write = write,
		.block_len = block_len < SFTP_BLOCK ? block_len : SFTP_BLOCK,
		.size = test->bytes,
		.ms = SFTP_TEST_MS,
	};
	if (most != 0 && most < copy->block_len)
		copy->block_len = (uint32_t)most;
	good = sftp_probe_copy(&test->probe, copy);
	mb = (double)copy->done * 1e3 / (double)copy->ns;
	if (good)
		fact_format(&test->check->facts, rate,
		    mb < 1 ? "%.0f kB/s" : "%.1f MB/s", mb < 1 ? mb * 1e3 : mb);
	return good;
}

/* Reports why no file can be made.  If -L names no directory, clients may be
 * permitted to store files in another one than that in which sessions begin. */
static bool
sftp_denied(struct sftp_test *test)
{
	bool denied = test->probe.status == SFTP_PERMISSION_DENIED;

	sftp_find_as(test, denied ? FILES_DENIED : FILES_NOT_STORED,
	    denied && test->forward->directory[0] == '\0' ? ADVICE_UNTRIED :
							    ADVICE_WRONG);
	return false;
}

/* Writes the file that is open, and closes it. */
static bool
sftp_write_file(struct sftp_test *test)
{
	struct sftp_probe *probe = &test->probe;

	if (!sftp_copy_file(test, true, FACT_UP))
		return false;
	test->bytes = test->copy.done;
	sftp_set_size(test, FACT_SIZE, test->bytes);
	return (!test->conf->sftp.fsync || !sftp_can(probe->sftp, SFTP_FSYNC) ||
		   sftp_probe_handle(probe, SFTP_FSYNC)) &&
	    sftp_probe_handle(probe, SFTP_CLOSE);
}

static bool
sftp_write(struct sftp_test *test)
{
	sftp_set_size(test, FACT_SIZE, test->bytes);
	if (!sftp_test_create(test, SFTP_FILE_NEW))
		return sftp_denied(test);
	return sftp_write_file(test) || sftp_find(test, FILES_NOT_STORED);
}

/* Reads what was written.  A directory for uploads only may forbid that. */
static bool
sftp_read(struct sftp_test *test)
{
	bool good = sftp_test_open(test, SFTP_FILE_NEW, SFTP_OPEN_READ);

	if (good) {
		good = sftp_copy_file(test, false, FACT_DOWN);
		(void)sftp_probe_handle(&test->probe, SFTP_CLOSE);
	}
	if (test->copy.differs)
		return sftp_find(test, FILES_DIFFERS);
	sftp_find(test, good ? FILES_SPEED : FILES_NOT_READ);
	return true;
}

/* As gateway/rename.c does. */
static bool
sftp_replace(struct sftp_test *test)
{
	if (sftp_can(test->probe.sftp, SFTP_POSIX_RENAME)) {
		if (sftp_test_rename(test, SFTP_POSIX_RENAME, SFTP_FILE_NEW,
			SFTP_FILE_OLD))
			return true;
		if (test->probe.status != SFTP_OP_UNSUPPORTED)
			return false;
	}
	return sftp_test_rename(test, SFTP_RENAME, SFTP_FILE_NEW,
		   SFTP_FILE_OLD) ||
	    (sftp_test_rename(test, SFTP_RENAME, SFTP_FILE_OLD,
		 SFTP_FILE_BACKUP) &&
		sftp_test_rename(test, SFTP_RENAME, SFTP_FILE_NEW,
		    SFTP_FILE_OLD));
}

static bool
sftp_rename(struct sftp_test *test)
{
	if (!sftp_test_create(test, SFTP_FILE_OLD) ||
	    !sftp_probe_handle(&test->probe, SFTP_CLOSE))
		return sftp_find(test, FILES_NOT_STORED);
	if (sftp_replace(test))
		return true;
	sftp_find_as(test, FILES_NOT_RENAMED,
	    test->conf->sftp.in_place ? ADVICE_NOTE : ADVICE_WRONG);
	return false;
}

/* ---- the end ---- */

static void
sftp_on_removed(void *ctx, struct sftp_reply *reply)
{
	bool *may_exist = ctx;

	*may_exist &=
	    reply->status != SFTP_OK && reply->status != SFTP_NO_SUCH_FILE;
}

/* Removes the files; also after a signal, and although the server has not
 * answered yet. */
static void
sftp_remove_files(struct sftp_test *test)
{
	const struct sftp_request close = {
		.op = SFTP_CLOSE,
		.name = { test->probe.handle, test->probe.handle_len },
	};

	if (test->probe.handle_len > 0)
		(void)sftp_send(test->probe.sftp, &close, NULL, 0, NULL, NULL);
	for (size_t i = 0; i < SFTP_FILES; i++) {
		const struct sftp_request remove = {
			.op = SFTP_REMOVE,
			.name = sftp_string_of(test->files[i].path),
		};

		if (test->files[i].may_exist)
			(void)sftp_send(test->probe.sftp, &remove, NULL, 0,
			    sftp_on_removed, &test->files[i].may_exist);
	}
	sftp_probe_settle(&test->probe);
}

/* Reports that a file could not be removed. */
static void
sftp_report_left(struct sftp_test *test, const char *path)
{
	struct facts *facts = &test->check->facts;

	fact_escape(facts, FACT_PATH, path);
	if (check_link_holds(test->check))
		check_find(test->check, FILES_LEFT);
	else
		log_warn("the test file \"%s\" may be left on the SFTP "
			 "server: remove it",
		    fact(facts, FACT_PATH));
}

static void
sftp_write_test(struct sftp_test *test)
{
	bool good;

	if (test->conf->read_only) {
		sftp_find(test, FILES_READ_ONLY);
		return;
	}
	sftp_name_files(test);
	good = sftp_write(test) && sftp_read(test) && sftp_rename(test);
	sftp_remove_files(test);
	for (size_t i = 0; i < SFTP_FILES; i++)
		if (test->files[i].may_exist) {
			sftp_report_left(test, test->files[i].path);
			good = false;
		}
	if (good)
		sftp_find(test, FILES_WRITTEN);
}

/* ---- check_priv.h ---- */

void
step_sftp(struct check *check)
{
	static struct sftp_test test;

	test = (struct sftp_test) {
		.check = check,
		.conf = check->conf,
		.forward = &check->conf->forwards[check->forward],
		.probe = { .wait = &check->wait },
	};
	if (check->options->login_file_why != NULL) {
		fact_escape(&check->facts, FACT_WHY,
		    check->options->login_file_why);
		check_find(check, LISTEN_LOGIN_FILE);
	}
	if (sftp_open(&test)) {
		sftp_extensions(&test);
		if (sftp_directory(&test)) {
			sftp_space(&test);
			sftp_write_test(&test);
		}
	}
	sftp_probe_close(&test.probe);
}
