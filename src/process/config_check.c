/*
 * Checks whether the tunnels of a configuration can run together, and on this
 * host.
 */
#include <errno.h>
#include <fcntl.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/addr.h"
#include "base/cleanup.h"
#include "base/journal.h"
#include "base/user.h"
#include "process/config_check.h"
#include "process/config_places.h"
#include "process/destination.h"
#include "process/logins.h"
#include "limits.h"
#include "ssh/try.h"
#include "tunnel/policy.h"
#include "tunnel/tunnel.h"

int
config_check_together(const struct config *config,
    const struct command_line *line,
    const struct config_tunnel *ret_first[LIMIT_DESTINATIONS], size_t *ret_n,
    char why[SETTINGS_WHY_MAX])
{
	const struct config_tunnel *first[LIMIT_DESTINATIONS];
	struct places places;
	size_t n = 0;
	int err;

	for (size_t i = 0; i < config->n_tunnels; i++) {
		const struct config_tunnel *tunnel = &config->tunnels[i];
		size_t at = 0;

		while (at < n && !config_same(first[at], tunnel, OPTION_LINK))
			at++;
		if (!command_line_wants(line, tunnel->name) || at < n)
			continue;
		if (n == LIMIT_DESTINATIONS)
			return settings_complain(why, tunnel->begins,
			    "more than %d destinations; start some of the "
			    "tunnels with another culvert up",
			    LIMIT_DESTINATIONS);
		first[n++] = tunnel;
	}
	if (ret_first != NULL) {
		memcpy(ret_first, first, n * sizeof(first[0]));
		*ret_n = n;
	}
	err = places_find(config, line, &places, why);
	if (err == 0)
		err = places_check(&places, why);
	free(places.list);
	return err;
}

/* ---- addresses, checked before the process becomes the user ---- */

/* Returns 0 or a negative errno.  A port in use is not an error: the culvert
 * that is running may use it. */
static int
try_bind(const struct addr *at)
{
	struct sockaddr_storage storage;
	socklen_t len = addr_to_sockaddr(at, &storage);
	CLEANUP(cleanup_fd) int fd = -1;
	int on = 1;

	fd = socket(at->family, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -errno;
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	return bind(fd, (const struct sockaddr *)&storage, len) == 0 ||
		errno == EADDRINUSE ?
	    0 :
	    -errno;
}

static int
cannot_bind(const struct setting *at, int err, char *why)
{
	return settings_complain_value(why, at, "cannot listen there: %s%s",
	    err == -EADDRNOTAVAIL ? "it is not an address of this host" :
				    strerror(-err),
	    err == -EACCES ? " (ports below 1024 need root, or "
			     "CAP_NET_BIND_SERVICE)" :
			     "");
}

/* What is missing if that place is not on loopback; or NULL. */
static const char *
config_here_exposed(const struct place *place)
{
	const struct options *options =
	    place->tunnel != NULL ? &place->tunnel->options : NULL;

	if (options == NULL || addr_is_loopback(&place->at))
		return NULL;
	if (options->n_allow == 0)
		return "clients of other hosts could connect; \"allow\" says "
		       "which may (an address or a network; 0.0.0.0/0 and ::/0 "
		       "for everybody)";
	if (place->sftp && options->sftp.login_file == NULL &&
	    !options->login.ssh)
		return "clients of other hosts could use the files without a "
		       "password; \"login-file\" says who may log in (culvert "
		       "passwd makes it)";
	return NULL;
}

/* Checks the n places of a local forward, or of --metrics. */
static int
config_here_local(const struct place *places, size_t n, char *why)
{
	const struct place *first = &places[0];
	int worst = 0, err;
	bool own = false;

	for (size_t i = 0; i < n; i++) {
		const char *missing = config_here_exposed(&places[i]);

		if (missing != NULL)
			return settings_complain_value(why, first->setting,
			    "%s", missing);
		err = try_bind(&places[i].at);
		own |= (first->tunnel != NULL && first->dual) || err == 0;
		if (err == -EACCES || worst == 0)
			worst = err;
	}
	/* One address of a name is enough, unless the port is forbidden. */
	return own && worst != -EACCES ?
	    0 :
	    cannot_bind(first->setting, worst, why);
}

static int
config_here_remote(const struct place *place, char *why)
{
	const struct options *options = &place->tunnel->options;
	const struct policy policy = {
		.n_allow = options->n_allow,
		.client_address = options->client_address,
		.client_data_host_control = options->client_data_host_control,
	};
	const char *wrong = tunnel_remote_wrong(&policy, place->host);

	return wrong == NULL ? 0 :
			       settings_complain_value(why, place->setting,
				   "cannot listen there: %s", wrong);
}

/* Checks the addresses.  culvert binds them before it becomes the user of
 * --user. */
static int
config_here_places(const struct places *places, char *why)
{
	size_t end;
	int err = 0;

	for (size_t i = 0; i < places->n && err == 0; i = end) {
		const struct place *place = &places->list[i];

		end = i + 1;
		while (end < places->n &&
		    places->list[end].tunnel == place->tunnel &&
		    places->list[end].setting == place->setting)
			end++;
		err = place->at.family == AF_UNSPEC ?
		    config_here_remote(place, why) :
		    config_here_local(place, end - i, why);
	}
	return err;
}

/* Does the file's directory exist, and may we create files in it? */
static int
config_here_directory(const struct setting *at, const char *path, char *why)
{
	const char *slash = strrchr(path, '/');
	char directory[SETTINGS_WHY_MAX] = ".";

	if (slash != NULL)
		snprintf(directory, sizeof(directory), "%.*s",
		    slash == path ? 1 : (int)(slash - path), path);
	if (access(directory, W_OK | X_OK) != 0)
		return settings_complain_value(why, at, "%s: %s", directory,
		    strerror(errno));
	return 0;
}

static int
config_here_metrics_path(const struct config *config, char *why)
{
	const struct setting *at = config_find_setting(config, "metrics");
	const char *path = config->process.metrics_path;
	struct stat st;

	if (at == NULL || path == NULL)
		return 0;
	if (strlen(path) >= sizeof(((struct sockaddr_un *)NULL)->sun_path))
		return settings_complain_value(why, at, "%s",
		    strerror(ENAMETOOLONG));
	if (lstat(path, &st) == 0 && !S_ISSOCK(st.st_mode))
		return settings_complain_value(why, at,
		    "there is a file that is not a socket");
	return config_here_directory(at, path, why);
}

/* ---- files, checked as the user ---- */

/* Checks that the transfer log exists and can be written, or can be created. */
static int
config_here_log(const struct config *config, char *why)
{
	const struct setting *at = config_find_setting(config, "transfer-log");
	const char *path = config->process.transfer_log;
	CLEANUP(cleanup_fd) int fd = -1;

	if (path == NULL || at == NULL)
		return 0;
	if (strcmp(path, "journal") == 0) {
		fd = journal_connect();
		return fd >= 0 ?
		    0 :
		    settings_complain_value(why, at, "%s", strerror(-fd));
	}
	/* As append_open() does, but without creating it. */
	fd =
	    open(path, O_WRONLY | O_APPEND | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	if (fd >= 0)
		return 0;
	return errno == ENOENT ?
	    config_here_directory(at, path, why) :
	    settings_complain_value(why, at, "%s", strerror(errno));
}

/* Checks the key file of "i".  ssh would only warn. */
static int
config_here_key_file(const struct setting *at, char *why)
{
	const struct passwd *self = getpwuid(geteuid());
	char path[SETTINGS_WHY_MAX];
	struct stat st;

	/* "%d/.ssh/key", "~joe/.ssh/key": only ssh knows the path. */
	if (strchr(at->value, '%') != NULL ||
	    (at->value[0] == '~' && at->value[1] != '/'))
		return 0;
	if (at->value[0] == '~')
		snprintf(path, sizeof(path), "%s%s",
		    self != NULL ? self->pw_dir : "", at->value + 1);
	else
		snprintf(path, sizeof(path), "%s", at->value);
	if (access(path, R_OK) != 0)
		return settings_complain_value(why, at, "%s", strerror(errno));
	if (stat(path, &st) == 0 && S_ISDIR(st.st_mode))
		return settings_complain_value(why, at, "%s", strerror(EISDIR));
	return 0;
}

/* Has ssh check its options.  If it reports an error, tries each option alone,
 * to find the line that is wrong. */
static int
config_here_ssh(const struct config_tunnel *tunnel, char *where,
    size_t where_size, char *why)
{
	struct link_options link =
	    destination_link_options(&tunnel->options, 0);
	const struct setting *found = tunnel->begins;
	char text[SETTINGS_WHY_MAX / 2], one[SETTINGS_WHY_MAX / 2];
	int err = ssh_try(&link, where, where_size, text, sizeof(text));

	for (size_t i = 0; i < tunnel->n_settings && err != 0; i++) {
		const struct setting *at = tunnel->settings[i];
		const struct option_entry *option = option_find(at->key);
		struct options alone = { .quiet = false };

		if (option == NULL || option->kind != OPTION_SSH ||
		    option_take(&alone, option, at->value, one, sizeof(one)) !=
			0)
			continue;
		link.arguments = alone.ssh_arguments.texts;
		link.n_arguments = alone.ssh_arguments.n;
		if (ssh_try(&link, where, where_size, one, sizeof(one)) != 0 &&
		    found == tunnel->begins)
			found = at;
		options_free(&alone);
	}
	return err == 0 ? 0 :
			  settings_complain(why, found, "[tunnel %s]: %s",
			      tunnel->name, text);
}

/* Checks one tunnel, and sets servers[number] to its SSH server. */
static int
config_here_tunnel(char **servers, const struct config *config,
    const struct command_line *line, size_t number, char *why)
{
	const struct config_tunnel *tunnel = &config->tunnels[number];
	char where[LIMIT_SSH_WORDS];
	size_t same = 0;
	int err = 0;

	for (size_t i = 0; i < tunnel->n_settings && err == 0; i++)
		if (strcmp(tunnel->settings[i]->key, "i") == 0)
			err = config_here_key_file(tunnel->settings[i], why);
	/* Tunnels with the same link options are tried once. */
	while (same < number &&
	    (!command_line_wants(line, config->tunnels[same].name) ||
		!config_same(&config->tunnels[same], tunnel, OPTION_LINK)))
		same++;
	if (err == 0 && same == number)
		err = config_here_ssh(tunnel, where, sizeof(where), why);
	if (err != 0)
		return err;
	servers[number] = strdup(same == number ? where : servers[same]);
	return servers[number] != NULL ? 0 : settings_no_memory(why);
}

/* Becomes the user of --user, so that files are checked with its permissions.
 */
static int
config_here_user(const struct config *config, char *why)
{
	const struct setting *at = config_find_setting(config, "user");
	struct user user = { .name = NULL };
	int err;

	if (config->process.user == NULL || at == NULL)
		return 0;
	err = user_find(config->process.user, &user);
	if (err != 0)
		return settings_complain_value(why, at, "%s",
		    err == -ENOENT ? "there is no such user" : strerror(-err));
	if (user.uid == 0)
		err = settings_complain_value(why, at, "that is root");
	else if (geteuid() != 0)
		err = settings_complain_value(why, at,
		    "only root can become another user; check it as root");
	else if ((err = user_become(&user, 0)) != 0)
		err = settings_complain_value(why, at,
		    "cannot become that user: %s", strerror(-err));
	user_free(&user);
	return err;
}

int
config_check_here(const struct config *config, const struct command_line *line,
    char why[SETTINGS_WHY_MAX])
{
	char **servers = calloc(config->n_tunnels, sizeof(*servers));
	struct places places = { .n = 0 };
	struct logins logins = { .n = 0 };
	int err;

	if (servers == NULL)
		return settings_no_memory(why);
	err = config_here_metrics_path(config, why);
	if (err == 0)
		err = places_find(config, line, &places, why);
	if (err == 0)
		err = config_here_places(&places, why);
	if (err == 0)
		err = config_here_user(config, why);
	if (err == 0)
		err = logins_read(config->tunnels, config->n_tunnels, line,
		    &logins, why);
	logins_free(&logins);
	if (err == 0)
		err = config_here_log(config, why);
	for (size_t i = 0; i < config->n_tunnels && err == 0; i++)
		if (command_line_wants(line, config->tunnels[i].name))
			err = config_here_tunnel(servers, config, line, i, why);
	/* Checks the places again, because now the SSH servers are known. */
	for (size_t i = 0; i < places.n && err == 0; i++)
		if (places.list[i].tunnel != NULL)
			places.list[i].server =
			    servers[places.list[i].tunnel - config->tunnels];
	if (err == 0)
		err = places_check(&places, why);
	free(places.list);
	for (size_t i = 0; i < config->n_tunnels; i++)
		free(servers[i]);
	free(servers);
	return err;
}
