/*
 * The gateway's logins: USER, PASS and REIN, and where a user may go.
 *
 * A user cannot leave his directory by the names of paths, which is all that is
 * compared: a symbolic link on the server can lead out of it.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "gateway/priv.h"

/* ---- the directory of a user ---- */

const char *
login_home(const struct gateway *gateway)
{
	return gateway->jail != NULL ? gateway->jail : gateway->home;
}

/* Does the path have a part that leads up?  A server on Windows takes "\" for
 * "/", and ignores dots and blanks at the end of a name: "a\..\..", "a/.. /..
 * ".
 */
static bool
login_goes_up(const char *path)
{
	static const char separators[] = "/\\";
	size_t len;

	for (; *path != '\0'; path += len) {
		path += strspn(path, separators);
		len = strcspn(path, separators);
		if (len > 1 && path[0] == '.' && strspn(path, ". ") >= len)
			return true;
	}
	return false;
}

bool
login_permits(const struct gateway *gateway, const char *path)
{
	const char *jail = gateway->jail;
	size_t len = jail == NULL ? 0 : strlen(jail);

	if (jail == NULL)
		return true;
	if (login_goes_up(path))
		return false;
	if (strcmp(jail, "/") == 0)
		return true;
	if (strncmp(path, jail, len) != 0)
		return false;
	/* A change of the directory itself is a change in the one above. */
	return path[len] == '/' || (path[len] == '\0' && !gateway->changes);
}

/* ---- answers ---- */

/* The working directory becomes the user's, if the server was used.  False: out
 * of memory. */
static bool
login_go_home(struct gateway *gateway)
{
	char *cwd;

	if (gateway->home == NULL)
		return true;
	cwd = strdup(login_home(gateway));
	if (cwd == NULL)
		return false;
	free(gateway->cwd);
	gateway->cwd = cwd;
	return true;
}

static void
login_complete(struct gateway *gateway)
{
	if (!login_go_home(gateway)) {
		gateway_finish(gateway, "451 Out of memory.");
		return;
	}
	gateway->logged_in = true;
	gateway->logging_in = false;
	gateway_finish(gateway, "230 Logged in.");
}

/* The directory must exist: otherwise every command of the user would fail. */
static void
login_refuse_directory(struct gateway *gateway, const char *why)
{
	gateway_finish(gateway,
	    "530 Your directory on the SFTP server cannot be used: %s.", why);
}

static void
login_on_directory(void *ctx, struct sftp_reply *reply)
{
	struct gateway *gateway = ctx;
	char text[STATUS_TEXT_MAX] = "It is not a directory";
	bool good = gateway_ok(reply);

	if (!good)
		(void)status_to_ftp(STATUS_OF_FILE, reply, text);
	else
		good = (reply->attrs.has & SFTP_ATTR_MODE) == 0 ||
		    S_ISDIR(reply->attrs.mode);
	if (!good) {
		login_refuse_directory(gateway, text);
		return;
	}
	gateway->jail = gateway->simple.path;
	gateway->simple.path = NULL;
	login_complete(gateway);
}

void
login_begin(struct gateway *gateway)
{
	char *directory = gateway->simple.path;
	struct sftp_request stat = { .op = SFTP_STAT };
	char path[PATH_TEXT_MAX];
	int err;

	if (*directory == '\0') {
		login_complete(gateway);
		return;
	}
	gateway->simple.path = NULL;
	err = path_resolve(gateway->home, (const uint8_t *)directory,
	    strlen(directory), path);
	free(directory);
	if (err != 0) {
		login_refuse_directory(gateway, "Its name is too long");
		return;
	}
	gateway->simple.path = strdup(path);
	if (gateway->simple.path == NULL) {
		gateway_finish(gateway, "451 Out of memory.");
		return;
	}
	stat.name = sftp_string_of(gateway->simple.path);
	gateway_request(gateway, &stat, login_on_directory, gateway);
}

/* ---- where sessions begin ---- */

static void
login_has_no_home(struct gateway *gateway, const char *text)
{
	const char *directory = gateway->config->directory;
	char why[STATUS_TEXT_MAX + PATH_TEXT_MAX];

	snprintf(why, sizeof(why), "the SFTP server has no directory %s: %s",
	    *directory != '\0' ? directory : ".", text);
	gateway_give_up(gateway, why);
}

static void
login_has_home(struct gateway *gateway)
{
	if (gateway->state == GATEWAY_CONNECTING)
		gateway_greet(gateway);
	else
		login_begin(gateway);
}

/* Servers resolve a path that does not exist, too.  One that permits no STAT
 * may have it. */
static void
login_on_stat(void *ctx, struct sftp_reply *reply)
{
	struct gateway *gateway = ctx;
	char text[STATUS_TEXT_MAX] = "It is not a directory";
	bool good = reply->type != SFTP_REPLY_STATUS ||
	    reply->status != SFTP_NO_SUCH_FILE;

	if (gateway->state == GATEWAY_OVER)
		return;
	if (!good)
		(void)status_to_ftp(STATUS_OF_FILE, reply, text);
	else if (reply->type == SFTP_REPLY_ATTRS &&
	    (reply->attrs.has & SFTP_ATTR_MODE) != 0)
		good = S_ISDIR(reply->attrs.mode);
	if (good)
		login_has_home(gateway);
	else
		login_has_no_home(gateway, text);
}

static void
login_on_home(void *ctx, struct sftp_reply *reply)
{
	struct gateway *gateway = ctx;
	struct sftp_request stat = { .op = SFTP_STAT };
	struct sftp_name name;
	char text[STATUS_TEXT_MAX];

	if (gateway->state == GATEWAY_OVER)
		return;
	if (reply->type != SFTP_REPLY_NAME ||
	    sftp_next_name(reply, &name) != 1) {
		(void)status_to_ftp(STATUS_OF_FILE, reply, text);
		login_has_no_home(gateway, text);
		return;
	}
	gateway->home = names_home(&name.name);
	gateway->cwd = gateway->home != NULL ? strdup(gateway->home) : NULL;
	if (gateway->cwd == NULL) {
		gateway_give_up(gateway, "out of memory");
		return;
	}
	stat.name = sftp_string_of(gateway->home);
	if (*gateway->config->directory == '\0')
		login_has_home(gateway);
	else if (sftp_send(gateway->channels[0].sftp, &stat, NULL, 0,
		     login_on_stat, gateway) != 0)
		gateway_give_up(gateway, "out of memory");
}

void
login_find_home(struct gateway *gateway)
{
	const char *directory = gateway->config->directory;
	const struct sftp_request home = {
		.op = SFTP_REALPATH,
		.name = sftp_string_of(*directory != '\0' ? directory : "."),
	};

	if (sftp_send(gateway->channels[0].sftp, &home, NULL, 0, login_on_home,
		gateway) != 0)
		gateway_give_up(gateway, "out of memory");
}

void
gateway_login_done(struct gateway *gateway, const struct gateway_login *login)
{
	if (gateway->state == GATEWAY_OVER)
		return;
	if (login->end) {
		gateway_finish(gateway, "%s",
		    login->reply != NULL ? login->reply :
					   "421 Too many failed logins.");
		gateway_close(gateway);
		return;
	}
	gateway->read_only = login->read_only;
	gateway->logging_in = login->allowed;
	if (login->allowed)
		gateway->simple.path = strdup(login->directory);
	if (!login->allowed)
		gateway_finish(gateway, "%s",
		    login->reply != NULL ? login->reply :
					   "530 Login incorrect.");
	else if (gateway->simple.path == NULL)
		gateway_finish(gateway, "451 Out of memory.");
	else if (gateway->home == NULL)
		gateway_channel_add(gateway, 0);
	else
		login_begin(gateway);
	gateway_pump(gateway);
}

bool
gateway_is_logging_in(const struct gateway *gateway)
{
	return gateway->state == GATEWAY_OPEN && gateway->logging_in;
}

void
gateway_login_refuse(struct gateway *gateway, const char *reply)
{
	if (gateway->state == GATEWAY_OVER)
		return;
	gateway_finish(gateway, "%s", reply);
	gateway_close(gateway);
}

/* ---- commands ---- */

/* The SSH connection is that of one user.  Has this been answered? */
static bool
login_is_final(struct gateway *gateway)
{
	if (!gateway->config->login_connects || !gateway->logged_in)
		return false;
	gateway_finish(gateway,
	    "503 You are logged in; connect again to be another user.");
	return true;
}

/* From here on nobody is logged in. */
static void
login_leave(struct gateway *gateway)
{
	free(gateway->jail);
	gateway->jail = NULL;
	gateway->read_only = false;
	gateway->logged_in = false;
}

void
login_user(struct gateway *gateway, const char *argument, size_t len)
{
	if (login_is_final(gateway))
		return;
	login_leave(gateway);
	free(gateway->user);
	gateway->user = strdup(argument);
	gateway_finish(gateway, "331 Send %s password.",
	    gateway->config->check_logins ? "the" : "any");
}

void
login_pass(struct gateway *gateway, const char *argument, size_t len)
{
	if (gateway->user == NULL) {
		gateway_finish(gateway, "503 Send USER first.");
		return;
	}
	if (login_is_final(gateway))
		return;
	if (!gateway->config->check_logins) {
		gateway->logged_in = true;
		gateway_finish(gateway, "230 Logged in.");
		return;
	}
	login_leave(gateway);
	if (!gateway->handler->login(gateway->ctx, gateway->user, argument))
		gateway_finish(gateway, "451 Out of memory.");
}

void
login_defaults(struct gateway *gateway)
{
	gateway->type = 'A';
	gateway->facts = LIST_ALL_FACTS;
	gateway->umask = -1;
	gateway->charset = gateway->config->charset;
}

void
login_rein(struct gateway *gateway, const char *argument, size_t len)
{
	if (login_is_final(gateway))
		return;
	login_leave(gateway);
	free(gateway->user);
	gateway->user = NULL;
	if (!login_go_home(gateway)) {
		gateway_give_up(gateway, "out of memory");
		return;
	}
	login_defaults(gateway);
	gateway_data_reset_it(gateway);
	gateway_finish(gateway, "220 Send USER.");
}
