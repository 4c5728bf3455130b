/*
 * Listings: LIST, NLST and MLSD on the data connection, STAT on the control
 * connection.
 *
 * A directory is read in pieces, and each piece is sent before the next one is
 * requested, so its size does not matter.  A symbolic link needs a request of
 * its own: READLINK for what LIST shows, STAT for the type in MLSD, because
 * clients must see which links they can enter.  Its line comes when the reply
 * has come.
 */
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>
#include <sys/stat.h>

#include "gateway/priv.h"

struct walk;

/* A symbolic link whose line waits for a reply. */
struct walk_link {
	LIST_ENTRY(walk_link) entry;
	struct walk *walk;
	struct sftp_attrs attrs; /* its own */
	size_t len;
	char name[];
};

struct walk {
	struct task task;
	enum list_style style;
	struct list_options options;
	bool on_control; /* STAT */
	size_t sent;	 /* bytes of it */
	bool begun;	 /* the client has got 150, or the first line of 213 */
	char *path;	 /* the directory, or the file */
	char *given;	 /* in front of each name, as the client has sent it */
	char *glob;	 /* NULL: all names */
	char *literal;	 /* the path if the glob is the name of a file */
	struct sftp_string handle; /* heap */
	bool reading;		   /* READDIR has no reply yet */
	bool ended;		   /* READDIR has found the end */
	LIST_HEAD(, walk_link) links;
	unsigned n_links;
};

static void walk_go_on(struct walk *walk);

/* ---- the end ---- */

static void
walk_free(struct task *task)
{
	struct walk *walk = (struct walk *)task;
	struct gateway *gateway = task->gateway;
	const struct sftp_request close = {
		.op = SFTP_CLOSE,
		.name = walk->handle,
	};
	struct walk_link *link;

	if (walk->handle.len > 0)
		gateway_request_only(gateway, &close);
	while ((link = LIST_FIRST(&walk->links)) != NULL) {
		LIST_REMOVE(link, entry);
		sftp_forget(gateway->channels[0].sftp, link);
		free(link);
	}
	free((void *)(uintptr_t)walk->handle.bytes);
	free(walk->path);
	free(walk->given);
	free(walk->glob);
	free(walk->literal);
	free(walk);
}

static void
walk_fail(struct walk *walk, unsigned code, const char *text)
{
	struct gateway *gateway = walk->task.gateway;
	bool on_control = walk->on_control, begun = walk->begun;

	task_end(gateway);
	/* A multi-line reply ends with its own code (RFC 959 section 4.2). */
	if (begun && on_control)
		gateway_finish(gateway, "213 The listing is not complete: %s.",
		    text);
	else
		gateway_finish(gateway, "%u %s.", code, text);
	/* Behind the reply: before it, a reset is a cut transfer. */
	if (!on_control)
		gateway_data_reset_it(gateway);
}

static void
walk_stop(struct task *task, enum task_stop why)
{
	struct walk *walk = (struct walk *)task;

	if (why == TASK_DATA_LOST && walk->on_control)
		return;
	walk_fail(walk, 426, task_stop_text(why));
}

static void
walk_refused(struct walk *walk, const struct sftp_reply *reply)
{
	char text[STATUS_TEXT_MAX];
	unsigned code =
	    status_to_ftp(walk->begun ? STATUS_OF_READ : STATUS_OF_FILE, reply,
		text);

	walk_fail(walk, code, text);
}

static void
walk_complete(struct walk *walk)
{
	struct gateway *gateway = walk->task.gateway;
	bool on_control = walk->on_control;

	if (!on_control)
		gateway_data_end_it(gateway);
	task_end(gateway);
	gateway_finish(gateway,
	    on_control ? "213 End" : "226 The listing is complete.");
}

static void
walk_begin(struct walk *walk)
{
	walk->begun = true;
	gateway_reply(walk->task.gateway,
	    walk->on_control ? "213-Listing:" : "150 Here comes the listing.");
}

/* ---- lines ---- */

/* Sends the line of an entry.  False: the walk is over. */
static bool
walk_line(struct walk *walk, const struct sftp_string *name,
    const struct sftp_attrs *attrs, const struct sftp_string *target)
{
	struct gateway *gateway = walk->task.gateway;
	char line[LIST_LINE_MAX], text[PATH_TEXT_MAX], to[PATH_TEXT_MAX];
	size_t given = walk->given == NULL ? 0 : strlen(walk->given);
	struct list_entry entry = { .attrs = *attrs };
	struct iovec piece = { line, 0 };

	assert(given < sizeof(text));
	if (given > 0)
		memcpy(text, walk->given, given);
	entry.name = (struct sftp_string) {
		(const uint8_t *)text,
		given +
		    names_for_client(gateway, name, text + given,
			sizeof(text) - given),
	};
	if (target != NULL)
		entry.target = (struct sftp_string) {
			(const uint8_t *)to,
			names_for_client(gateway, target, to, sizeof(to)),
		};
	if (walk->style == LIST_FACTS && name->len == 1 &&
	    name->bytes[0] == '.')
		entry.type = "cdir";
	if (walk->style == LIST_FACTS && name->len == 2 &&
	    memcmp(name->bytes, "..", 2) == 0)
		entry.type = "pdir";
	piece.iov_len = list_line(walk->style, &entry,
	    gateway->handler->now(gateway->ctx) / 1000, gateway->facts, line);
	/* A server has sent an empty name, or one that is too long. */
	if (piece.iov_len == 0)
		return true;
	if (walk->on_control) {
		walk->sent += piece.iov_len;
		if (walk->sent > LIMIT_GATEWAY_STAT) {
			walk_fail(walk, 451, "It is too long; send LIST");
			return false;
		}
		gateway_send(gateway, " ", 1);
		gateway_send(gateway, line, piece.iov_len);
	} else if (gateway->handler->data_send(gateway->ctx, &piece, 1) != 0) {
		walk_fail(walk, 426, "The data connection was lost");
		return false;
	}
	return true;
}

static void
walk_on_link(void *ctx, struct sftp_reply *reply)
{
	struct walk_link *link = ctx;
	struct walk *walk = link->walk;
	const struct sftp_string name = { (const uint8_t *)link->name,
		link->len };
	struct sftp_name target = { .name = { NULL, 0 } };
	bool goes_on;

	LIST_REMOVE(link, entry);
	walk->n_links--;
	if (reply->type == SFTP_REPLY_ATTRS)
		link->attrs = reply->attrs;
	else if (reply->type != SFTP_REPLY_NAME ||
	    sftp_next_name(reply, &target) != 1)
		target.name.bytes = NULL;
	goes_on = walk_line(walk, &name, &link->attrs,
	    target.name.bytes != NULL ? &target.name : NULL);
	free(link);
	if (goes_on)
		walk_go_on(walk);
}

/* Looks up what a symbolic link is.  False: the walk is over. */
static bool
walk_look_up(struct walk *walk, const struct sftp_name *name)
{
	struct gateway *gateway = walk->task.gateway;
	struct walk_link *link = malloc(sizeof(*link) + name->name.len);
	char *path = names_join(walk->path, &name->name);
	const struct sftp_request request = {
		.op = walk->style == LIST_FACTS ? SFTP_STAT : SFTP_READLINK,
		.name = sftp_string_of(path != NULL ? path : ""),
	};
	bool sent = link != NULL && path != NULL &&
	    sftp_send(gateway->channels[0].sftp, &request, NULL, 0,
		walk_on_link, link) == 0;

	free(path);
	if (!sent) {
		free(link);
		return walk_line(walk, &name->name, &name->attrs, NULL);
	}
	link->walk = walk;
	link->attrs = name->attrs;
	link->len = name->name.len;
	memcpy(link->name, name->name.bytes, name->name.len);
	LIST_INSERT_HEAD(&walk->links, link, entry);
	walk->n_links++;
	return true;
}

/* Handles one name of a directory.  False: the walk is over. */
static bool
walk_name(struct walk *walk, const struct sftp_name *name)
{
	bool is_link = (name->attrs.has & SFTP_ATTR_MODE) != 0 &&
	    S_ISLNK(name->attrs.mode);

	if (walk->glob != NULL &&
	    !list_matches(walk->glob, strlen(walk->glob), &name->name))
		return true;
	if (walk->style != LIST_FACTS && walk->glob == NULL &&
	    list_hides(&walk->options, &name->name))
		return true;
	if (is_link && walk->style != LIST_NAMES)
		return walk_look_up(walk, name);
	return walk_line(walk, &name->name, &name->attrs, NULL);
}

/* ---- reading ---- */

static void
walk_on_names(void *ctx, struct sftp_reply *reply)
{
	struct walk *walk = ctx;
	struct sftp_name name;
	int found;

	walk->reading = false;
	if (reply->type == SFTP_REPLY_STATUS) {
		if (reply->status != SFTP_EOF) {
			walk_refused(walk, reply);
			return;
		}
		walk->ended = true;
	} else {
		/* Some servers say so instead of EOF. */
		walk->ended = reply->n_names == 0;
		while ((found = sftp_next_name(reply, &name)) == 1)
			if (!walk_name(walk, &name))
				return;
		if (found < 0) {
			walk_fail(walk, 451,
			    "The SFTP server has sent a listing that cannot be "
			    "read");
			return;
		}
	}
	walk_go_on(walk);
}

/* Requests more names if the client takes them, and ends the listing when
 * everything was sent. */
static void
walk_go_on(struct walk *walk)
{
	struct gateway *gateway = walk->task.gateway;
	const struct sftp_request request = {
		.op = SFTP_READDIR,
		.name = walk->handle,
	};

	if (walk->ended) {
		if (walk->n_links == 0)
			walk_complete(walk);
		return;
	}
	if (walk->reading || walk->handle.len == 0 || walk->n_links > 0 ||
	    (!walk->on_control && !gateway_data_has_room(gateway)))
		return;
	walk->reading = true;
	gateway->quiet_s = 0;
	if (sftp_send(gateway->channels[0].sftp, &request, NULL, 0,
		walk_on_names, walk) != 0)
		walk_fail(walk, 451, "Out of memory");
}

static bool
walk_is_lost(const struct task *task)
{
	return sftp_is_lost(task->gateway->channels[0].sftp,
	    &((const struct walk *)task)->handle);
}

static void
walk_room(struct task *task)
{
	walk_go_on((struct walk *)task);
}

/* ---- the beginning ---- */

/* The file itself, not a directory's entries: NLST repeats what the client has
 * sent, LIST has the name only. */
static void
walk_on_self(void *ctx, struct sftp_reply *reply)
{
	struct walk *walk = ctx;
	const char *last = strrchr(walk->path, '/') + 1;
	const struct sftp_string name =
	    sftp_string_of(*last != '\0' ? last : "/");
	char *slash;

	if (reply->type != SFTP_REPLY_ATTRS) {
		walk_refused(walk, reply);
		return;
	}
	if (walk->style == LIST_FACTS) {
		walk_fail(walk, 501, "MLSD needs a directory");
		return;
	}
	if (walk->given != NULL) {
		walk->given[strlen(walk->given) - 1] = '\0';
		slash = strrchr(walk->given, '/');
		if (slash != NULL)
			slash[1] = '\0';
		else
			walk->given[0] = '\0';
	}
	walk_begin(walk);
	if (walk_line(walk, &name, &reply->attrs, NULL))
		walk_complete(walk);
}

static void
walk_look_at(struct walk *walk, const char *path, sftp_reply_cb *done)
{
	const struct sftp_request request = {
		.op = walk->options.directory ? SFTP_LSTAT : SFTP_STAT,
		.name = sftp_string_of(path),
	};

	walk->task.gateway->quiet_s = 0;
	if (sftp_send(walk->task.gateway->channels[0].sftp, &request, NULL, 0,
		done, walk) != 0)
		walk_fail(walk, 553, "The name is too long");
}

static void
walk_on_opendir(void *ctx, struct sftp_reply *reply)
{
	struct walk *walk = ctx;

	if (reply->type != SFTP_REPLY_HANDLE) {
		/* It may be a file. */
		if (walk->glob != NULL ||
		    reply->status == SFTP_PERMISSION_DENIED ||
		    reply->status == SFTP_CONNECTION_LOST)
			walk_refused(walk, reply);
		else
			walk_look_at(walk, walk->path, walk_on_self);
		return;
	}
	walk->handle = sftp_string_copy(&reply->string);
	if (walk->handle.bytes == NULL) {
		walk_fail(walk, 451, "Out of memory");
		return;
	}
	walk_begin(walk);
	walk_go_on(walk);
}

/* Opens the directory. */
static void
walk_open(struct walk *walk)
{
	const struct sftp_request request = {
		.op = SFTP_OPENDIR,
		.name = sftp_string_of(walk->path),
	};

	if (sftp_send(walk->task.gateway->channels[0].sftp, &request, NULL, 0,
		walk_on_opendir, walk) != 0)
		walk_fail(walk, 553, "The name is too long");
}

/* If there is a file or a directory with the name of the glob, it is that. */
static void
walk_on_literal(void *ctx, struct sftp_reply *reply)
{
	struct walk *walk = ctx;
	char *given = NULL;

	if (reply->type != SFTP_REPLY_ATTRS) {
		walk_open(walk);
		return;
	}
	if (walk->style == LIST_NAMES &&
	    asprintf(&given, "%s%s/", walk->given != NULL ? walk->given : "",
		walk->glob) < 0) {
		walk_fail(walk, 451, "Out of memory");
		return;
	}
	free(walk->given);
	walk->given = given;
	free(walk->glob);
	walk->glob = NULL;
	free(walk->path);
	walk->path = walk->literal;
	walk->literal = NULL;
	if (S_ISDIR(reply->attrs.mode) && !walk->options.directory)
		walk_open(walk);
	else
		walk_on_self(walk, reply);
}

/* Separates a glob, which may be in the last part of the path only, and what is
 * to be in front of each name.  0, or -1 when out of memory. */
static int
walk_split(struct walk *walk, const char *argument, size_t len)
{
	const char *slash = memrchr(argument, '/', len);
	size_t before = slash == NULL ? 0 : (size_t)(slash + 1 - argument);

	/* MLSD has no globs (RFC 3659 section 7.1). */
	if (walk->style != LIST_FACTS &&
	    list_is_glob(argument + before, len - before)) {
		walk->glob = strndup(argument + before, len - before);
		if (walk->glob == NULL)
			return -1;
		len = before;
	} else if (walk->style != LIST_NAMES) {
		return 0;
	}
	if (len == 0)
		return 0;
	slash = argument[len - 1] == '/' ? "" : "/";
	return asprintf(&walk->given, "%.*s%s", (int)len, argument, slash) < 0 ?
	    -1 :
	    0;
}

static void
walk_start(struct gateway *gateway, enum list_style style, bool on_control,
    const char *argument, size_t len)
{
	static const struct task_ops ops = {
		.room = walk_room,
		.is_lost = walk_is_lost,
		.stop = walk_stop,
		.free = walk_free,
	};
	struct walk *walk;

	if (!on_control && !gateway_needs_data(gateway))
		return;
	walk = calloc(1, sizeof(*walk));
	if (walk == NULL) {
		gateway_finish(gateway, "451 Out of memory.");
		return;
	}
	LIST_INIT(&walk->links);
	walk->style = style;
	walk->on_control = on_control;
	if (style != LIST_FACTS)
		argument =
		    list_read_options(argument, len, &walk->options, &len);
	task_begin(gateway, &walk->task, &ops);
	/* It is in front of the names, too. */
	if (len > PATH_TEXT_MAX - 2) {
		walk_fail(walk, 553, "The name is too long");
		return;
	}
	if (walk_split(walk, argument, len) != 0) {
		walk_fail(walk, 451, "Out of memory");
		return;
	}
	if (walk->glob != NULL) {
		walk->literal = names_path(gateway, argument, len);
		len -= strlen(walk->glob);
	}
	if (walk->glob == NULL || walk->literal != NULL)
		walk->path = names_path(gateway, argument, len);
	if (walk->path == NULL) {
		task_end(gateway);
		return;
	}
	if (walk->glob != NULL)
		walk_look_at(walk, walk->literal, walk_on_literal);
	else if (walk->options.directory)
		walk_look_at(walk, walk->path, walk_on_self);
	else
		walk_open(walk);
}

void
walk_list(struct gateway *gateway, const char *argument, size_t len)
{
	walk_start(gateway, LIST_LONG, false, argument, len);
}

void
walk_nlst(struct gateway *gateway, const char *argument, size_t len)
{
	walk_start(gateway, LIST_NAMES, false, argument, len);
}

void
walk_mlsd(struct gateway *gateway, const char *argument, size_t len)
{
	walk_start(gateway, LIST_FACTS, false, argument, len);
}

void
walk_stat(struct gateway *gateway, const char *argument, size_t len)
{
	walk_start(gateway, LIST_LONG, true, argument, len);
}
