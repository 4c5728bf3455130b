/*
 * Whether the tunnels of a configuration can run here, and together.
 */
#include "config_check.h"

#include <errno.h>
#include <netdb.h>
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
#include "base/user.h"
#include "destination.h"
#include "ssh/try.h"

/* Most addresses of one name that are looked at. */
#define PLACES_MAX 16

/* Where something listens. */
struct place {
	struct addr at; /* on this host; AF_UNSPEC: on the SSH server's */
	bool dual;	/* "*": IPv4 as well */
	const char *host;
	uint16_t port;
	const struct setting *setting;
	const struct config_tunnel *tunnel; /* NULL: --metrics */
};

struct places {
	struct place *list;
	size_t n;
};

static bool
is_meant(const struct command_line *line, const struct config_tunnel *tunnel)
{
	for (int i = 0; i < line->n_names; i++)
		if (strcmp(line->names[i], tunnel->name) == 0)
			return true;
	return line->n_names == 0;
}

/* What [defaults] says for the process, or NULL. */
static const struct setting *
process_setting(const struct config *config, const char *key)
{
	for (size_t i = 0; i < config->settings.n; i++) {
		const struct setting *at = &config->settings.list[i];

		if (at->key != NULL && strcmp(at->key, key) == 0)
			return at;
	}
	return NULL;
}

/* That of the tunnel's forward number n. */
static const struct setting *
forward_setting(const struct config_tunnel *tunnel, size_t n)
{
	for (size_t i = 0; i < tunnel->n_settings; i++) {
		const struct setting *at = tunnel->settings[i];

		if (strcmp(at->key, "L") != 0 && strcmp(at->key, "R") != 0)
			continue;
		if (n-- == 0)
			return at;
	}
	return tunnel->begins;
}

/* ---- addresses ---- */

/* As a local tunnel does (tunnel/tunnel_local.c).  Returns how many; 0 with
 * the reason. */
static size_t
find_addresses(const char *bind, struct addr found[PLACES_MAX], bool *ret_dual,
    const char **ret_why)
{
	struct addrinfo hints = { .ai_socktype = SOCK_STREAM };
	struct addrinfo *list, *info;
	size_t n = 0;
	int err;

	*ret_dual = strcmp(bind, "*") == 0;
	if (*ret_dual)
		found[n++] = (struct addr) { .family = AF_INET6 };
	else if (*bind == '\0')
		found[n++] = addr_loopback(AF_INET, 0);
	else if (addr_parse_ip(bind, &found[0]) == 0)
		n++;
	if (n > 0)
		return n;
	err = getaddrinfo(bind, NULL, &hints, &list);
	*ret_why = gai_strerror(err != 0 ? err : EAI_NONAME);
	if (err != 0)
		return 0;
	for (info = list; info != NULL && n < PLACES_MAX; info = info->ai_next)
		if (addr_from_sockaddr(info->ai_addr, &found[n]) == 0)
			n++;
	freeaddrinfo(list);
	return n;
}

static bool
is_loopback_name(const char *host)
{
	struct addr at;

	return *host == '\0' || strcmp(host, "localhost") == 0 ||
	    (addr_parse_ip(host, &at) == 0 && addr_is_loopback(&at));
}

/* Of the SSH server: by what the texts say. */
static bool
is_same_far(const struct place *a, const struct place *b)
{
	struct addr one, other;

	if (strcmp(a->host, "*") == 0 || strcmp(b->host, "*") == 0)
		return true;
	if (addr_parse_ip(a->host, &one) != 0 ||
	    addr_parse_ip(b->host, &other) != 0)
		return is_loopback_name(a->host) == is_loopback_name(b->host) &&
		    (is_loopback_name(a->host) ||
			strcmp(a->host, b->host) == 0);
	return one.family == other.family &&
	    (addr_is_any(&one) || addr_is_any(&other) ||
		addr_same_ip(&one, &other));
}

static bool
is_same(const struct place *a, const struct place *b)
{
	if (a->port != b->port || a->port == 0 ||
	    (a->at.family == AF_UNSPEC) != (b->at.family == AF_UNSPEC))
		return false;
	if (a->at.family == AF_UNSPEC)
		return config_same(a->tunnel, b->tunnel, OPTION_LINK) &&
		    is_same_far(a, b);
	if (a->at.family != b->at.family)
		return a->dual || b->dual;
	return addr_is_any(&a->at) || addr_is_any(&b->at) ||
	    addr_same_ip(&a->at, &b->at);
}

/* ---- together ---- */

static int
add_place(struct places *places, const struct place *place, char *why)
{
	struct place *grown;

	/* Of one name all addresses are one place. */
	for (size_t i = 0; i < places->n; i++) {
		const struct place *other = &places->list[i];

		bool own = other->tunnel == place->tunnel &&
		    other->setting == place->setting;

		if (!own && is_same(other, place))
			return settings_complain(why, place->setting,
			    "%s = %s: %s:%u listens at that address and port "
			    "already; take another port",
			    place->setting->key, place->setting->value,
			    other->setting->file, other->setting->line);
	}
	grown = realloc(places->list, (places->n + 1) * sizeof(*grown));
	if (grown == NULL) {
		snprintf(why, SETTINGS_WHY_MAX, "out of memory");
		return -ENOMEM;
	}
	places->list = grown;
	grown[places->n++] = *place;
	return 0;
}

static int
add_forward(struct places *places, const struct config_tunnel *tunnel,
    size_t number, char *why)
{
	const struct forward *forward = &tunnel->options.forwards[number];
	struct addr found[PLACES_MAX];
	struct place place = {
		.host = forward->bind,
		.port = forward->port,
		.setting = forward_setting(tunnel, number),
		.tunnel = tunnel,
	};
	const char *reason = "";
	size_t n;
	int err = 0;

	if (forward->remote)
		return add_place(places, &place, why);
	n = find_addresses(forward->bind, found, &place.dual, &reason);
	if (n == 0)
		return settings_complain(why, place.setting,
		    "%s = %s: cannot listen on %s: %s", place.setting->key,
		    place.setting->value, forward->bind, reason);
	for (size_t i = 0; i < n && err == 0; i++) {
		place.at = found[i];
		err = add_place(places, &place, why);
	}
	return err;
}

static int
add_all(struct places *places, const struct config *config,
    const struct command_line *line, char *why)
{
	const struct options *process = &config->process;
	struct place metrics = {
		.at = process->metrics,
		.dual = addr_is_any(&process->metrics) &&
		    process->metrics.family == AF_INET6,
		.port = process->metrics.port,
		.setting = process_setting(config, "metrics"),
	};
	int err = 0;

	if (metrics.at.family != AF_UNSPEC)
		err = add_place(places, &metrics, why);
	for (size_t i = 0; i < config->n_tunnels && err == 0; i++) {
		const struct config_tunnel *tunnel = &config->tunnels[i];

		if (!is_meant(line, tunnel))
			continue;
		for (size_t j = 0; j < tunnel->options.n_forwards && err == 0;
		     j++)
			err = add_forward(places, tunnel, j, why);
	}
	return err;
}

static int
count_destinations(const struct config *config, const struct command_line *line,
    char *why)
{
	const struct config_tunnel *first[LIMIT_DESTINATIONS];
	size_t n = 0;

	for (size_t i = 0; i < config->n_tunnels; i++) {
		const struct config_tunnel *tunnel = &config->tunnels[i];
		size_t at = 0;

		while (at < n && !config_same(first[at], tunnel, OPTION_LINK))
			at++;
		if (!is_meant(line, tunnel) || at < n)
			continue;
		if (n == LIMIT_DESTINATIONS)
			return settings_complain(why, tunnel->begins,
			    "more than %d destinations; start some of the "
			    "tunnels with another culvert up",
			    LIMIT_DESTINATIONS);
		first[n++] = tunnel;
	}
	return 0;
}

int
config_check_together(const struct config *config,
    const struct command_line *line, char why[SETTINGS_WHY_MAX])
{
	struct places places = { .n = 0 };
	int err = count_destinations(config, line, why);

	if (err == 0)
		err = add_all(&places, config, line, why);
	free(places.list);
	return err;
}

/* ---- here ---- */

/* Is there such an address on this host?  The port may well be in use. */
static bool
is_own_address(const struct addr *at)
{
	struct addr free_port = *at;
	struct sockaddr_storage storage;
	CLEANUP(cleanup_fd) int fd = -1;
	socklen_t len;

	free_port.port = 0;
	len = addr_to_sockaddr(&free_port, &storage);
	fd = socket(at->family, SOCK_STREAM | SOCK_CLOEXEC, 0);
	return fd >= 0 && bind(fd, (const struct sockaddr *)&storage, len) == 0;
}

static int
check_forward(const struct config_tunnel *tunnel, size_t number, char *why)
{
	const struct forward *forward = &tunnel->options.forwards[number];
	const struct setting *setting = forward_setting(tunnel, number);
	struct addr found[PLACES_MAX];
	const char *reason = "";
	bool dual, own = false;
	size_t n;

	if (forward->remote)
		return 0;
	n = find_addresses(forward->bind, found, &dual, &reason);
	for (size_t i = 0; i < n; i++) {
		if (!addr_is_loopback(&found[i]) &&
		    tunnel->options.n_allow == 0)
			return settings_complain(why, setting,
			    "%s = %s: clients of other hosts could connect; "
			    "\"allow\" says which may (an address or a "
			    "network; 0.0.0.0/0 and ::/0 for everybody)",
			    setting->key, setting->value);
		own |= dual || is_own_address(&found[i]);
	}
	/* One address of a name is enough. */
	return own ? 0 :
		     settings_complain(why, setting,
			 "%s = %s: %s is no address of this host", setting->key,
			 setting->value, forward->bind);
}

/* Is the directory of the file there, and may we make something in it? */
static int
check_directory(const struct setting *at, const char *path, int mode, char *why)
{
	const char *slash = strrchr(path, '/');
	char directory[SETTINGS_WHY_MAX] = ".";

	if (slash != NULL)
		snprintf(directory, sizeof(directory), "%.*s",
		    slash == path ? 1 : (int)(slash - path), path);
	if (access(directory, mode) != 0)
		return settings_complain(why, at, "%s = %s: %s: %s", at->key,
		    at->value, directory, strerror(errno));
	return 0;
}

/* A file that exists, or can be made. */
static int
check_log(const struct config *config, char *why)
{
	const struct setting *at = process_setting(config, "transfer-log");
	const char *path = config->process.transfer_log;
	struct stat st;

	if (path == NULL || at == NULL || strcmp(path, "journal") == 0)
		return 0;
	if (stat(path, &st) != 0)
		return errno == ENOENT ?
		    check_directory(at, path, W_OK | X_OK, why) :
		    settings_complain(why, at, "%s = %s: %s", at->key, path,
			strerror(errno));
	if (S_ISDIR(st.st_mode) || access(path, W_OK) != 0)
		return settings_complain(why, at, "%s = %s: %s", at->key, path,
		    strerror(S_ISDIR(st.st_mode) ? EISDIR : errno));
	return 0;
}

static int
check_metrics(const struct config *config, char *why)
{
	const struct setting *at = process_setting(config, "metrics");
	const struct options *process = &config->process;
	const char *path = process->metrics_path;
	struct stat st;

	if (at == NULL)
		return 0;
	if (path == NULL)
		return is_own_address(&process->metrics) ?
		    0 :
		    settings_complain(why, at,
			"metrics = %s: no address of this host", at->value);
	if (strlen(path) >= sizeof(((struct sockaddr_un *)NULL)->sun_path))
		return settings_complain(why, at, "metrics = %s: %s", at->value,
		    strerror(ENAMETOOLONG));
	if (lstat(path, &st) == 0 && !S_ISSOCK(st.st_mode))
		return settings_complain(why, at,
		    "metrics = %s: something that is no socket is there",
		    at->value);
	/* It is made before culvert becomes user. */
	return check_directory(at, path,
	    process->user == NULL ? W_OK | X_OK : F_OK, why);
}

/* "i": what ssh would only warn of. */
static int
check_key_file(const struct setting *at, char *why)
{
	const struct passwd *self = getpwuid(geteuid());
	char path[SETTINGS_WHY_MAX];
	struct stat st;

	/* "%d/.ssh/key", "~joe/.ssh/key": ssh knows. */
	if (strchr(at->value, '%') != NULL ||
	    (at->value[0] == '~' && at->value[1] != '/'))
		return 0;
	if (at->value[0] == '~')
		snprintf(path, sizeof(path), "%s%s",
		    self != NULL ? self->pw_dir : "", at->value + 1);
	else
		snprintf(path, sizeof(path), "%s", at->value);
	if (access(path, R_OK) != 0)
		return settings_complain(why, at, "i = %s: %s", at->value,
		    strerror(errno));
	if (stat(path, &st) == 0 && S_ISDIR(st.st_mode))
		return settings_complain(why, at, "i = %s: %s", at->value,
		    strerror(EISDIR));
	return 0;
}

/* The place is that of the option which ssh does not take by itself. */
static int
check_ssh(const struct config_tunnel *tunnel, char *why)
{
	struct link_options link =
	    destination_link_options(&tunnel->options, 0);
	const struct setting *found = tunnel->begins;
	char text[SETTINGS_WHY_MAX / 2], one[SETTINGS_WHY_MAX / 2];
	int err = ssh_try(&link, text, sizeof(text));

	for (size_t i = 0; i < tunnel->n_settings && err != 0; i++) {
		const struct setting *at = tunnel->settings[i];
		const struct option_entry *option = option_find(at->key);
		struct options alone = { .n_ssh_arguments = 0 };

		if (option == NULL || option->kind != OPTION_SSH ||
		    option_take(&alone, option, at->value, one, sizeof(one)) !=
			0)
			continue;
		link.arguments = alone.ssh_arguments;
		link.n_arguments = alone.n_ssh_arguments;
		if (ssh_try(&link, one, sizeof(one)) != 0 &&
		    found == tunnel->begins)
			found = at;
		options_free(&alone);
	}
	return err == 0 ? 0 :
			  settings_complain(why, found, "[tunnel %s]: %s",
			      tunnel->name, text);
}

static int
check_tunnel(const struct config *config, size_t number, char *why)
{
	const struct config_tunnel *tunnel = &config->tunnels[number];
	size_t before = 0;
	int err = 0;

	for (size_t i = 0; i < tunnel->options.n_forwards && err == 0; i++)
		err = check_forward(tunnel, i, why);
	for (size_t i = 0; i < tunnel->n_settings && err == 0; i++)
		if (strcmp(tunnel->settings[i]->key, "i") == 0)
			err = check_key_file(tunnel->settings[i], why);
	/* Tunnels that say the same for ssh need it once. */
	while (before < number &&
	    !config_same(&config->tunnels[before], tunnel, OPTION_LINK))
		before++;
	return err == 0 && before == number ? check_ssh(tunnel, why) : err;
}

/* Becomes it, so that files are looked at as it sees them. */
static int
check_user(const struct config *config, char *why)
{
	const struct setting *at = process_setting(config, "user");
	struct user user = { .name = NULL };
	int err;

	if (config->process.user == NULL || at == NULL)
		return 0;
	err = user_find(config->process.user, &user);
	if (err != 0)
		return settings_complain(why, at, "user = %s: %s", at->value,
		    err == -ENOENT ? "there is no such user" : strerror(-err));
	if (user.uid == 0)
		err = settings_complain(why, at, "user = %s: that is root",
		    at->value);
	else if (geteuid() != 0 && geteuid() != user.uid)
		err = settings_complain(why, at,
		    "user = %s: only root can become another user; check it "
		    "as root",
		    at->value);
	else if (geteuid() == 0 && (err = user_become(&user, 0)) != 0)
		err = settings_complain(why, at,
		    "user = %s: cannot become it: %s", at->value,
		    strerror(-err));
	user_free(&user);
	return err;
}

int
config_check_here(const struct config *config, const struct command_line *line,
    char why[SETTINGS_WHY_MAX])
{
	int err = check_user(config, why);

	if (err == 0)
		err = check_log(config, why);
	if (err == 0)
		err = check_metrics(config, why);
	for (size_t i = 0; i < config->n_tunnels && err == 0; i++)
		if (is_meant(line, &config->tunnels[i]))
			err = check_tunnel(config, i, why);
	return err;
}
