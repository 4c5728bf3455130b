/*
 * The gateway's commands about one file or directory, each a request or two.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>

#include "gateway/priv.h"

void
files_free(struct simple *simple)
{
	free(simple->path);
	free(simple->second);
	rename_forget(simple->rename);
	*simple = (struct simple) { .path = NULL };
}

/* The path of the argument becomes simple.path; without one the working
 * directory.  False: the command has been answered. */
static bool
files_take(struct gateway *gateway, const char *argument, size_t len)
{
	free(gateway->simple.path);
	gateway->simple.path = names_path(gateway, argument, len);
	return gateway->simple.path != NULL;
}

/* Sends a request about simple.path. */
static bool
files_request(struct gateway *gateway, enum sftp_op op, sftp_reply_cb *done)
{
	const struct sftp_request request = {
		.op = op,
		.name = sftp_string_of(gateway->simple.path),
		.attrs = gateway->simple.attrs,
	};

	return gateway_request(gateway, &request, done, gateway);
}

/* Sets attributes of that file; done gets NULL if --no-setstat forbids it. */
static void
files_set(struct gateway *gateway, const char *name,
    const struct sftp_attrs *attrs, sftp_reply_cb *done)
{
	if (!files_take(gateway, name, strlen(name)))
		return;
	gateway->simple.attrs = *attrs;
	if (gateway->config->no_setstat)
		done(gateway, NULL);
	else
		files_request(gateway, SFTP_SETSTAT, done);
}

static bool
files_is_directory(const struct sftp_attrs *attrs)
{
	return (attrs->has & SFTP_ATTR_MODE) != 0 && S_ISDIR(attrs->mode);
}

/* ---- the working directory ---- */

static void
files_change(struct gateway *gateway)
{
	free(gateway->cwd);
	gateway->cwd = gateway->simple.path;
	gateway->simple.path = NULL;
	gateway_finish(gateway, "250 The directory was changed.");
}

static void
files_on_cwd_opened(void *ctx, struct sftp_reply *reply)
{
	struct gateway *gateway = ctx;
	const struct sftp_request close = {
		.op = SFTP_CLOSE,
		.name = reply->string,
	};

	if (reply->type != SFTP_REPLY_HANDLE) {
		gateway_refuse(gateway, STATUS_OF_FILE, reply);
		return;
	}
	gateway_request_only(gateway, &close);
	files_change(gateway);
}

/* A server may not know STAT, or not permit it: then a directory is what can be
 * opened as one. */
static void
files_on_cwd(void *ctx, struct sftp_reply *reply)
{
	struct gateway *gateway = ctx;

	if (!gateway_ok(reply) && reply->status != SFTP_NO_SUCH_FILE &&
	    !gateway_is_lost(reply)) {
		files_request(gateway, SFTP_OPENDIR, files_on_cwd_opened);
		return;
	}
	if (!gateway_ok(reply)) {
		gateway_refuse(gateway, STATUS_OF_FILE, reply);
		return;
	}
	if ((reply->attrs.has & SFTP_ATTR_MODE) != 0 &&
	    !files_is_directory(&reply->attrs)) {
		gateway_finish(gateway, "550 It is not a directory.");
		return;
	}
	files_change(gateway);
}

void
files_cwd(struct gateway *gateway, const char *argument, size_t len)
{
	if (files_take(gateway, argument, len))
		files_request(gateway, SFTP_STAT, files_on_cwd);
}

void
files_cdup(struct gateway *gateway, const char *argument, size_t len)
{
	files_cwd(gateway, "..", 2);
}

/* ---- making and removing ---- */

static void
files_on_mkd(void *ctx, struct sftp_reply *reply)
{
	struct gateway *gateway = ctx;
	char *quoted;

	if (!gateway_ok(reply)) {
		gateway_refuse(gateway, STATUS_OF_FILE, reply);
		return;
	}
	quoted = names_quote(gateway, gateway->simple.path);
	gateway_finish(gateway, "257 %s was created.",
	    quoted != NULL ? quoted : "It");
	free(quoted);
}

void
files_mkd(struct gateway *gateway, const char *argument, size_t len)
{
	if (!files_take(gateway, argument, len))
		return;
	if (gateway->umask >= 0)
		gateway->simple.attrs = (struct sftp_attrs) {
			.has = SFTP_ATTR_MODE,
			.mode = 0777 & ~(uint32_t)gateway->umask,
		};
	files_request(gateway, SFTP_MKDIR, files_on_mkd);
}

static void
files_on_done(void *ctx, struct sftp_reply *reply)
{
	struct gateway *gateway = ctx;

	if (gateway_ok(reply))
		gateway_finish(gateway, "250 Done.");
	else
		gateway_refuse(gateway, STATUS_OF_FILE, reply);
}

void
files_rmd(struct gateway *gateway, const char *argument, size_t len)
{
	if (files_take(gateway, argument, len))
		files_request(gateway, SFTP_RMDIR, files_on_done);
}

void
files_dele(struct gateway *gateway, const char *argument, size_t len)
{
	if (files_take(gateway, argument, len))
		files_request(gateway, SFTP_REMOVE, files_on_done);
}

/* ---- renaming ---- */

/* Only "no such file" is a refusal here: a server may not know LSTAT, or not
 * permit it. */
static void
files_on_rnfr(void *ctx, struct sftp_reply *reply)
{
	struct gateway *gateway = ctx;

	if (reply->type == SFTP_REPLY_STATUS &&
	    reply->status == SFTP_NO_SUCH_FILE) {
		gateway_refuse(gateway, STATUS_OF_FILE, reply);
		return;
	}
	free(gateway->rename_from);
	gateway->rename_from = gateway->simple.path;
	gateway->simple.path = NULL;
	gateway_finish(gateway, "350 Send RNTO with the new name.");
}

void
files_rnfr(struct gateway *gateway, const char *argument, size_t len)
{
	if (files_take(gateway, argument, len))
		files_request(gateway, SFTP_LSTAT, files_on_rnfr);
}

static void
files_on_rnto(void *ctx, struct sftp_reply *reply)
{
	struct gateway *gateway = ctx;

	gateway->simple.rename = NULL;
	if (gateway_ok(reply))
		gateway_finish(gateway, "250 Renamed.");
	else
		gateway_refuse(gateway, STATUS_OF_STORE, reply);
}

void
files_rnto(struct gateway *gateway, const char *argument, size_t len)
{
	struct simple *simple = &gateway->simple;

	if (gateway->rename_from == NULL) {
		gateway_finish(gateway, "503 Send RNFR first.");
		return;
	}
	if (!files_take(gateway, argument, len))
		return;
	simple->second = gateway->rename_from;
	gateway->rename_from = NULL;
	simple->rename = rename_start(gateway, simple->second, simple->path,
	    files_on_rnto, gateway);
	if (simple->rename == NULL)
		gateway_finish(gateway, "451 The file cannot be renamed now.");
}

/* ---- size and times ---- */

static void
files_on_size(void *ctx, struct sftp_reply *reply)
{
	struct gateway *gateway = ctx;

	if (!gateway_ok(reply))
		gateway_refuse(gateway, STATUS_OF_FILE, reply);
	else if (files_is_directory(&reply->attrs))
		gateway_finish(gateway, "550 It is a directory.");
	else if ((reply->attrs.has & SFTP_ATTR_SIZE) == 0)
		gateway_finish(gateway, "550 The size is not known.");
	else
		gateway_finish(gateway, "213 %llu",
		    (unsigned long long)reply->attrs.size);
}

/* In TYPE A as well: many clients take an error for the end (RFC 3659 section
 * 4 asks for the size after conversion, which only reading the file would
 * show). */
void
files_size(struct gateway *gateway, const char *argument, size_t len)
{
	if (files_take(gateway, argument, len))
		files_request(gateway, SFTP_STAT, files_on_size);
}

static void
files_on_mdtm(void *ctx, struct sftp_reply *reply)
{
	struct gateway *gateway = ctx;
	char time[15];

	if (!gateway_ok(reply)) {
		gateway_refuse(gateway, STATUS_OF_FILE, reply);
	} else if ((reply->attrs.has & SFTP_ATTR_TIMES) == 0) {
		gateway_finish(gateway, "550 The time is not known.");
	} else {
		list_format_time(reply->attrs.mtime, time);
		gateway_finish(gateway, "213 %s", time);
	}
}

static void
files_on_mfmt(void *ctx, struct sftp_reply *reply)
{
	struct gateway *gateway = ctx;
	bool lacks = reply != NULL && reply->type == SFTP_REPLY_STATUS &&
	    reply->status == SFTP_OP_UNSUPPORTED;
	char time[15], *quoted;

	if (reply != NULL && !gateway_ok(reply) && !lacks) {
		gateway_refuse(gateway, STATUS_OF_FILE, reply);
		return;
	}
	list_format_time(gateway->simple.attrs.mtime, time);
	quoted = names_quote(gateway, gateway->simple.path);
	gateway_finish(gateway, "213 Modify=%s; %s%s", time,
	    quoted != NULL ? quoted : "",
	    reply == NULL || lacks ? " (the SFTP server does not store times)" :
				     "");
	free(quoted);
}

static void
files_set_time(struct gateway *gateway, int64_t time, const char *name)
{
	const struct sftp_attrs attrs = {
		.has = SFTP_ATTR_TIMES,
		.atime = (uint32_t)time,
		.mtime = (uint32_t)time,
	};

	if (time < 0 || time > UINT32_MAX)
		gateway_finish(gateway,
		    "501 SFTP has only times from 1970 to 2106.");
	else
		files_set(gateway, name, &attrs, files_on_mfmt);
}

/* Reads "20261130093700 NAME"; returns NAME, or NULL. */
static const char *
files_time_and_name(const char *argument, int64_t *ret_time)
{
	size_t len = strcspn(argument, " ");

	if (argument[len] == '\0' || argument[len + 1] == '\0' ||
	    list_parse_time(argument, len, ret_time) != 0)
		return NULL;
	return argument + len + 1;
}

void
files_mfmt(struct gateway *gateway, const char *argument, size_t len)
{
	int64_t time;
	const char *name = files_time_and_name(argument, &time);

	if (name == NULL)
		gateway_finish(gateway,
		    "501 MFMT needs a time, as in "
		    "20261130093700, and a name.");
	else
		files_set_time(gateway, time, name);
}

/* Some clients set a time with "MDTM TIME NAME". */
void
files_mdtm(struct gateway *gateway, const char *argument, size_t len)
{
	int64_t time;
	const char *name = files_time_and_name(argument, &time);

	gateway->changes = name != NULL;
	if (name != NULL && gateway->read_only)
		gateway_refuse_change(gateway);
	else if (name != NULL)
		files_set_time(gateway, time, name);
	else if (files_take(gateway, argument, len))
		files_request(gateway, SFTP_STAT, files_on_mdtm);
}

/* ---- MLST ---- */

static void
files_on_mlst(void *ctx, struct sftp_reply *reply)
{
	struct gateway *gateway = ctx;
	char line[LIST_LINE_MAX], name[PATH_TEXT_MAX];
	const struct sftp_string path = sftp_string_of(gateway->simple.path);
	struct list_entry entry = {
		.name = { (const uint8_t *)name, 0 },
		.attrs = reply->attrs,
	};
	size_t len;

	if (!gateway_ok(reply)) {
		gateway_refuse(gateway, STATUS_OF_FILE, reply);
		return;
	}
	entry.name.len = names_for_client(gateway, &path, name, sizeof(name));
	len = list_line(LIST_FACTS, &entry, 0, gateway->facts, line);
	gateway_reply(gateway, "250-Listing:");
	gateway_send(gateway, " ", 1);
	gateway_send(gateway, line, len);
	gateway_finish(gateway, "250 End");
}

void
files_mlst(struct gateway *gateway, const char *argument, size_t len)
{
	if (files_take(gateway, argument, len))
		files_request(gateway, SFTP_STAT, files_on_mlst);
}

/* ---- SITE CHMOD ---- */

static void
files_on_chmod(void *ctx, struct sftp_reply *reply)
{
	struct gateway *gateway = ctx;

	if (reply == NULL)
		gateway_finish(gateway,
		    "550 culvert was told not to set modes (--no-setstat).");
	else if (gateway_ok(reply))
		gateway_finish(gateway, "200 The mode was changed.");
	else
		gateway_refuse(gateway, STATUS_OF_FILE, reply);
}

void
files_chmod(struct gateway *gateway, const char *argument, size_t len)
{
	char *end;
	unsigned long mode = strtoul(argument, &end, 8);
	const char *name = *end == ' ' ? end + 1 : end;
	const struct sftp_attrs attrs = {
		.has = SFTP_ATTR_MODE,
		.mode = (uint32_t)mode,
	};

	if (argument[0] < '0' || argument[0] > '7' || *end != ' ' ||
	    *name == '\0' || mode > 07777)
		gateway_finish(gateway,
		    "501 SITE CHMOD needs an octal mode and a name.");
	else
		files_set(gateway, name, &attrs, files_on_chmod);
}

/* ---- AVBL ---- */

static void
files_on_avbl(void *ctx, struct sftp_reply *reply)
{
	struct gateway *gateway = ctx;
	struct sftp_space space;

	if (!gateway_ok(reply))
		gateway_refuse(gateway, STATUS_OF_FILE, reply);
	else if (sftp_get_space(reply, &space) != 0)
		gateway_finish(gateway, "550 The space is not known.");
	else
		gateway_finish(gateway, "213 %llu",
		    (unsigned long long)space.available);
}

void
files_avbl(struct gateway *gateway, const char *argument, size_t len)
{
	if (files_take(gateway, argument, len))
		files_request(gateway, SFTP_STATVFS, files_on_avbl);
}
