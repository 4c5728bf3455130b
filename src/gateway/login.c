/*
 * The gateway's logins: USER, PASS and REIN, and where a user may go.
 *
 * The directory of a user is a limit as well.  It is one of names: paths are
 * compared, and a symbolic link of the server can lead out of it.
 */
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

/* To a server on Windows, "a\..\.." and "a/.. /.. " are ".." of a. */
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
	/* To change the directory itself is a change of the one above. */
	return path[len] == '/' || (path[len] == '\0' && !gateway->changes);
}

/* ---- answers ---- */

/* The working directory becomes the user's.  False: out of memory. */
static bool
login_go_home(struct gateway *gateway)
{
	char *cwd = strdup(login_home(gateway));

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
	gateway_finish(gateway, "230 Logged in.");
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
		gateway_finish(gateway,
		    "530 Your directory on the SFTP server cannot be used: %s.",
		    text);
		return;
	}
	gateway->jail = gateway->simple.path;
	gateway->simple.path = NULL;
	login_complete(gateway);
}

/* It must exist: otherwise every command of the user would fail. */
static void
login_look_up(struct gateway *gateway, const char *directory)
{
	struct sftp_request stat = { .op = SFTP_STAT };
	char path[PATH_TEXT_MAX];

	if (path_resolve(gateway->home, (const uint8_t *)directory,
		strlen(directory), path) == 0)
		gateway->simple.path = strdup(path);
	if (gateway->simple.path == NULL) {
		gateway_finish(gateway, "451 Out of memory.");
		return;
	}
	stat.name = sftp_string_of(gateway->simple.path);
	gateway_request(gateway, &stat, login_on_directory, gateway);
}

void
gateway_login_done(struct gateway *gateway, const struct gateway_login *login)
{
	if (gateway->state == GATEWAY_OVER)
		return;
	if (login->end) {
		gateway_finish(gateway, "421 Too many failed logins.");
		gateway_close(gateway);
		return;
	}
	gateway->read_only = login->read_only;
	if (!login->allowed)
		gateway_finish(gateway, "530 Login incorrect.");
	else if (*login->directory != '\0')
		login_look_up(gateway, login->directory);
	else
		login_complete(gateway);
	gateway_pump(gateway);
}

/* ---- commands ---- */

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
login_rein(struct gateway *gateway, const char *argument, size_t len)
{
	login_leave(gateway);
	free(gateway->user);
	gateway->user = NULL;
	if (!login_go_home(gateway)) {
		gateway_give_up(gateway, "out of memory");
		return;
	}
	gateway->type = 'A';
	gateway->charset = gateway->config->charset;
	gateway_data_reset_it(gateway);
	gateway_finish(gateway, "220 Send USER.");
}
