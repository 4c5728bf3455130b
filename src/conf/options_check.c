/*
 * All options together: their defaults, and combinations that are refused.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "conf/option.h"
#include "limits.h"

void
options_set_defaults(struct options *options)
{
	*options = (struct options) {
		.ssh = "ssh",
		.max_sessions = LIMIT_SESSIONS,
		.max_data = LIMIT_SESSION_DATA,
		.max_lines = LIMIT_LINES,
		.sftp = {
			.requests = LIMIT_SFTP_READS_DEFAULT,
			.channels = LIMIT_SFTP_CHANNELS_DEFAULT,
		},
		.login_ms = LIMIT_LOGIN_MS,
		.links = 1,
		.max_window = LIMIT_WINDOW_MAX,
		.max_memory = LIMIT_MEMORY,
		.retry = OPTIONS_RETRY_FOREVER,
		.link_wait_ms = LIMIT_LINK_WAIT_MS,
		.idle_exit_ms = LIMIT_IDLE_EXIT_MS,
		.survive_memory = LIMIT_SURVIVE_MEMORY,
	};
}

/* Returns the position of the host in [user@]host and ssh://[user@]host[:port].
 */
static const char *
options_check_host_of(const char *destination)
{
	static const char scheme[] = "ssh://";
	const char *at = strrchr(destination, '@');

	if (at != NULL)
		return at + 1;
	if (strncmp(destination, scheme, strlen(scheme)) == 0)
		return destination + strlen(scheme);
	return destination;
}

int
options_check_destination(const char *destination, char *why, size_t why_size)
{
	if (destination[0] == '-' ||
	    options_check_host_of(destination)[0] == '-')
		return option_refuse(why, why_size,
		    "the destination \"%s\": a host must not begin with \"-\"",
		    destination);
	if (destination[0] == '\0')
		return option_refuse(why, why_size, "the destination is empty");
	/* These bytes would make it two words, or begin a comment. */
	for (const char *at = destination; *at != '\0'; at++)
		if ((unsigned char)*at <= ' ' || *at == 0x7f || *at == ';' ||
		    *at == '#')
			return option_refuse(why, why_size,
			    "the destination \"%s\": expected [user@]host or "
			    "ssh://[user@]host[:port], without blanks, \";\" "
			    "and \"#\"",
			    destination);
	return 0;
}

static bool
has_policy(const struct options *options)
{
	return options->read_only ||
	    options->deny.n + options->allow_path.n + options->deny_path.n > 0;
}

/* Checks who may use the files of sftp/. */
static int
options_check_logins(struct options *options)
{
	bool any_file = options->sftp.login_file != NULL, sftp = false;

	for (size_t i = 0; i < options->n_forwards; i++)
		sftp |= options->forwards[i].sftp;
	if (any_file && !sftp)
		return option_refuse(options->why, sizeof(options->why),
		    "--login-file is for the clients of sftp/; it needs a -L "
		    "sftp/PORT");
	if (sftp && options->any_user && !any_file && !options->login.ssh)
		return option_refuse(options->why, sizeof(options->why),
		    "with --any-user, all users of this host could use the "
		    "files of sftp/ without a password; --login-file FILE says "
		    "who may log in");
	return 0;
}

/* Returns what --login ssh does not go together with, or NULL. */
static const char *
options_login_conflict(const struct options *options)
{
	const struct options_list *ssh = &options->ssh_arguments;

	for (size_t i = 0; i < options->n_forwards; i++)
		if (options->forwards[i].remote)
			return "is for -L: with -R, clients come through the "
			       "SSH connection";
	for (size_t i = 0; i < options->n_forwards; i++)
		if (options->forwards[i].socks)
			return "is not for SOCKS clients: the server is "
			       "reached before the login";
	if (options->destination != NULL &&
	    strchr(options->destination, '@') != NULL)
		return "takes the user from the FTP client; the destination "
		       "must be a host without \"user@\"";
	for (size_t i = 0; i < ssh->n; i++)
		if (strcmp(ssh->texts[i], "-l") == 0)
			return "takes the user from the FTP client, not from "
			       "-l";
	if (options->sftp.login_file != NULL)
		return "and --login-file are two ways to check a login";
	if (options->links > 1)
		return "opens an SSH connection for each login, so --links "
		       "has no use";
	if (options->on_demand)
		return "connects when a client logs in, so --on-demand has "
		       "no use";
	return NULL;
}

uint64_t
options_survive_ms(const struct options *options, bool sftp)
{
	if (options->survive_given)
		return options->survive_ms;
	return sftp && !options->login.ssh && options->retry != 0 ?
	    LIMIT_SURVIVE_SFTP_MS :
	    0;
}

/* Checks which sessions can outlive the SSH connection. */
static int
options_check_survive(struct options *options)
{
	const char *conflict = NULL;

	for (size_t i = 0; i < options->n_forwards; i++)
		if (options->forwards[i].remote)
			conflict = "is for -L: with -R, clients come through "
				   "the SSH connection, and are lost with it";
	if (options->login.ssh)
		conflict = "and --login ssh cannot be used together: there, "
			   "each session has its own SSH connection";
	if (options->retry == 0)
		conflict = "waits for the next SSH connection, but with "
			   "--retry never there is none";
	if (options->survive_ms > 0 && conflict != NULL)
		return option_refuse(options->why, sizeof(options->why),
		    "--survive %s", conflict);
	return 0;
}

static int
options_check_ssh_login(struct options *options)
{
	const char *conflict;

	if (!options->login.ssh && options->login.hosts.n > 0)
		return option_refuse(options->why, sizeof(options->why),
		    "--login-hosts says to which hosts FTP clients may log "
		    "in; it needs --login ssh");
	conflict = options->login.ssh ? options_login_conflict(options) : NULL;
	if (conflict != NULL)
		return option_refuse(options->why, sizeof(options->why),
		    "--login ssh %s", conflict);
	return 0;
}

/* Checks a tunnel that captures connections. */
static int
check_capture(struct options *options)
{
	char *why = options->why;
	size_t size = sizeof(options->why);

	if (options->capture == OPTIONS_CAPTURE_NOT)
		return 0;
	if (options->client_address.family != AF_UNSPEC)
		return option_refuse(why, size,
		    "\"capture\" announces the address that the client has "
		    "connected to; \"client-address\" cannot be used with it");
	if (options->capture == OPTIONS_CAPTURE_REDIRECT &&
	    options->client_ports_low == 0)
		return option_refuse(why, size,
		    "\"capture = redirect\" needs \"client-ports\": data "
		    "connections to these ports are redirected, too");
	return 0;
}

int
options_check(struct options *options)
{
	char *why = options->why;
	size_t size = sizeof(options->why), n_remote = 0;

	if (options->allow_tls && has_policy(options))
		return option_refuse(why, size,
		    "--allow-tls hides commands from culvert: --read-only, "
		    "--deny, --allow-path and --deny-path could not see "
		    "them");
	if (options->on_demand && options->link_wait_ms == 0)
		return option_refuse(why, size,
		    "--on-demand needs clients that wait for the SSH "
		    "connection, but with --link-wait 0 no client waits");
	if (options_check_ssh_login(options) != 0 ||
	    options_check_survive(options) != 0 ||
	    options_check_logins(options) != 0 || check_capture(options) != 0)
		return -EINVAL;
	if (options->n_forwards == 0)
		return option_take(options, option_find("L"),
		    OPTIONS_DEFAULT_FORWARD, why, size);
	for (size_t i = 0; i < options->n_forwards; i++)
		n_remote += options->forwards[i].remote;
	if (n_remote == options->n_forwards && options->client_ports_low != 0)
		return option_refuse(why, size,
		    "--client-ports is for ports of this host, where -R does "
		    "not listen; it needs a -L");
	if (n_remote == options->n_forwards && options->far_address != NULL)
		return option_refuse(why, size,
		    "--far-address is for FTP servers beyond the SSH server, "
		    "and with -R they are on this side; it needs a -L");
	if (n_remote > 0 && options->on_demand)
		return option_refuse(why, size,
		    "--on-demand connects when a client comes, and clients "
		    "of -R come through the SSH connection; it works with -L "
		    "only");
	if (n_remote > 0 && n_remote < options->n_forwards &&
	    options->client_address.family != AF_UNSPEC)
		return option_refuse(why, size,
		    "--client-address cannot be right for the clients of -L "
		    "and of -R at once; run culvert twice, or give -R an "
		    "address to listen on");
	return 0;
}

void
options_free(struct options *options)
{
	struct options_list *const lists[] = {
		&options->ssh_arguments,
		&options->deny,
		&options->allow_path,
		&options->deny_path,
		&options->login.hosts,
	};

	for (size_t i = 0; i < sizeof(lists) / sizeof(lists[0]); i++) {
		free(lists[i]->texts);
		*lists[i] = (struct options_list) { .n = 0 };
	}
	free(options->allow);
	options->allow = NULL;
}
