/*
 * culvert up: changes while it runs, by a reload of the configuration file
 * (SIGHUP), or by requests on the control socket.
 */
#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "process/config_check.h"
#include "process/up.h"

/* ---- in the monitor's process ---- */

/* The first byte of what the monitor passes on.  The rest is the reason why the
 * file cannot be used; or a size_t, so many bytes of settings, and the login
 * files. */
#define RELOAD_FAILED 'f'
#define RELOAD_READ 'r'
#define RELOAD_HEAD (1 + sizeof(size_t))

/* Makes these bytes.  NULL: with the reason in why. */
static char *
up_write_again(const struct up *up, const struct config *config,
    size_t *ret_len, char why[SETTINGS_WHY_MAX])
{
	size_t logins_len, len = 0;
	char *logins = logins_gather(config->tunnels, config->n_tunnels,
	    up->line, &logins_len, why);
	char *settings =
	    logins != NULL ? settings_write(&config->settings, &len) : NULL;
	char *bytes =
	    settings != NULL ? malloc(RELOAD_HEAD + len + logins_len) : NULL;

	if (logins != NULL && bytes == NULL)
		settings_no_memory(why);
	if (bytes != NULL) {
		bytes[0] = RELOAD_READ;
		memcpy(bytes + 1, &len, sizeof(len));
		memcpy(bytes + RELOAD_HEAD, settings, len);
		memcpy(bytes + RELOAD_HEAD + len, logins, logins_len);
		*ret_len = RELOAD_HEAD + len + logins_len;
	}
	free(settings);
	free(logins);
	return bytes;
}

char *
up_read_again(void *ctx, size_t *ret_len)
{
	struct up *up = ctx;
	char why[SETTINGS_WHY_MAX], *bytes = NULL;
	struct loaded *loaded = loaded_read(up->line, why);

	/* config_check_here() is not called: the monitor must keep its user,
	 * and must not wait for ssh -G. */
	if (loaded != NULL &&
	    config_check_together(&loaded->config, up->line, NULL, NULL, why) ==
		0)
		bytes = up_write_again(up, &loaded->config, ret_len, why);
	if (bytes == NULL) {
		loaded_release(loaded);
		*ret_len = 1 + strlen(why);
		return asprintf(&bytes, "%c%s", RELOAD_FAILED, why) < 0 ? NULL :
									  bytes;
	}
	loaded_set_batch(loaded);
	/* The configuration of the start stays in use. */
	loaded_release(up->reread);
	up->reread = loaded;
	return bytes;
}

bool
up_find_again(void *ctx, const char *name, struct link_options *ret)
{
	const struct up *up = ctx;
	const struct config_tunnel *tunnel =
	    up->reread != NULL ? config_find(&up->reread->config, name) : NULL;

	if (tunnel != NULL)
		*ret = destination_link_options(&tunnel->options, 0);
	return tunnel != NULL;
}

/* ---- reload ---- */

/* Does the reload concern the tunnel with that name? */
static bool
is_meant(const struct up *up, const char *name)
{
	return up->only[0] == '\0' || strcmp(up->only, name) == 0;
}

/* Is the entry as the latest configuration describes it? */
static bool
is_unchanged(const struct up *up, const struct entry *entry)
{
	const struct config_tunnel *now =
	    config_find(&up->loaded->config, entry->config->name);

	return now != NULL && command_line_wants(up->line, now->name) &&
	    destination_is_usable(entry->destination) &&
	    config_same(entry->config, now, OPTION_TUNNEL) &&
	    config_same(entry->config, now, OPTION_LINK);
}

/* Counts the entries with that name (NULL: all) that are not leaving. */
static size_t
count_entries(const struct up *up, const char *name)
{
	const struct destination *destination;
	const struct entry *entry;
	size_t n = 0;

	TAILQ_FOREACH (destination, &up->app->shared.destinations, link)
		TAILQ_FOREACH (entry, &destination->entries, link)
			n += !entry->leaving &&
			    (name == NULL ||
				strcmp(entry->config->name, name) == 0);
	return n;
}

static size_t
remove_changed(struct up *up)
{
	struct destination *destination;
	struct entry *entry;
	size_t n = 0;

	TAILQ_FOREACH (destination, &up->app->shared.destinations, link)
		TAILQ_FOREACH (entry, &destination->entries, link) {
			if (entry->leaving ||
			    !is_meant(up, entry->config->name) ||
			    is_unchanged(up, entry))
				continue;
			log_info("%s: configuration changed or removed; "
				 "sessions will close after their current "
				 "transfers",
			    entry->config->name);
			entry_leave(entry, false,
			    "the configuration has changed");
			n++;
		}
	app_sweep(up->app);
	return n;
}

/* The login files may have changed although the configuration has not.
 * Sessions that are logged in go on. */
static void
renew_logins(const struct up *up)
{
	const struct destination *destination;
	const struct entry *entry;

	TAILQ_FOREACH (destination, &up->app->shared.destinations, link)
		TAILQ_FOREACH (entry, &destination->entries, link)
			if (!entry->leaving &&
			    is_meant(up, entry->config->name))
				entry_renew_logins(entry);
}

/* The lowest number that no destination has. */
static size_t
free_number(const struct shared *shared)
{
	const struct destination *destination;
	bool used[LIMIT_DESTINATIONS] = { false };
	size_t to = 0;

	TAILQ_FOREACH (destination, &shared->destinations, link)
		used[destination->first.to] = true;
	while (to < LIMIT_DESTINATIONS && used[to])
		to++;
	return to;
}

/* Adds the tunnel to a new destination, and starts it. */
static bool
add_alone(struct up *up, const struct config_tunnel *tunnel)
{
	struct shared *shared = &up->app->shared;
	size_t to = free_number(shared);
	struct destination *destination;

	if (to == LIMIT_DESTINATIONS) {
		log_err("%s: more than %d destinations", tunnel->name,
		    LIMIT_DESTINATIONS);
		return false;
	}
	if (monitor_use(shared->monitor, to, tunnel->name) != 0)
		return false;
	destination = destination_new(shared, to, tunnel, up->loaded);
	if (destination == NULL)
		return false;
	if (entry_new(destination, tunnel, up->loaded) != NULL)
		return destination_start(destination);
	app_sweep(up->app); /* frees the destination: it has no entry */
	return false;
}

/* Adds the tunnels that are new.  Returns how many were added; *ret_failed is
 * the number of those that could not be. */
static size_t
add_new(struct up *up, size_t *ret_failed)
{
	const struct config *config = &up->loaded->config;
	struct destination *destination;
	size_t n = 0, wanted = 0;

	for (size_t i = 0; i < config->n_tunnels; i++) {
		const struct config_tunnel *tunnel = &config->tunnels[i];

		if (!is_meant(up, tunnel->name) ||
		    !command_line_wants(up->line, tunnel->name) ||
		    count_entries(up, tunnel->name) > 0)
			continue;
		wanted++;
		destination = up_shared(up, tunnel);
		if (destination == NULL)
			n += add_alone(up, tunnel);
		else
			n += entry_new(destination, tunnel, up->loaded) != NULL;
	}
	*ret_failed = wanted - n;
	return n;
}

/* Replaces the configuration.  Returns how many tunnels could not be started,
 * which has been logged. */
static size_t
up_reload_apply(struct up *up, struct loaded *loaded)
{
	struct loaded *before = up->loaded;
	const struct config *config = &loaded->config;
	size_t gone, new, unchanged, failed;
	char why[SETTINGS_WHY_MAX];

	if (!config_same(&before->config.tunnels[0], &config->tunnels[0],
		OPTION_PROCESS))
		log_warn("settings in [defaults] for the whole process take "
			 "effect when culvert is restarted");
	if (!config_check_names(config, up->line, why))
		log_err("%s", why);
	up->loaded = loaded;
	up->app->shared.logins = &loaded->logins;
	up->app->shared.config = config;
	gone = remove_changed(up);
	renew_logins(up);
	new = add_new(up, &failed);
	unchanged = count_entries(up, NULL) - new;
	log_info("%s: reloaded; %zu tunnel%s unchanged, %zu removed, %zu new",
	    config->settings.files[0], unchanged, unchanged == 1 ? "" : "s",
	    gone, new);
	loaded_release(before);
	return failed;
}

/* Makes a configuration from the bytes that the monitor has read.  Returns NULL
 * with the reason in why. */
static struct loaded *
up_reload_take(const struct up *up, const char *bytes, size_t len,
    char why[SETTINGS_WHY_MAX])
{
	struct settings settings;
	struct loaded *loaded = NULL;
	size_t settings_len;

	settings_no_memory(why);
	if (len == 0)
		return NULL;
	if (bytes[0] == RELOAD_FAILED) {
		snprintf(why, SETTINGS_WHY_MAX, "%.*s", (int)(len - 1),
		    bytes + 1);
		return NULL;
	}
	assert(len >= RELOAD_HEAD);
	memcpy(&settings_len, bytes + 1, sizeof(settings_len));
	bytes += RELOAD_HEAD;
	len -= RELOAD_HEAD;
	assert(len >= settings_len);
	if (settings_parse(bytes, settings_len, &settings) == 0)
		loaded = loaded_make(up->line, &settings, why);
	else
		settings_free(&settings);
	if (loaded == NULL ||
	    logins_parse(bytes + settings_len, len - settings_len,
		&loaded->logins) == 0)
		return loaded;
	settings_no_memory(why);
	loaded_release(loaded);
	return NULL;
}

static void
cannot_read(const struct up *up, int err, char *why, size_t why_size)
{
	snprintf(why, why_size, "cannot reload %s: %s%s", up->line->path,
	    strerror(-err), err == -EFBIG ? " (the limit is 'ulimit -f')" : "");
}

/* Uses the bytes that the monitor has passed on, or the error err.  Returns
 * false with the reason in why. */
static bool
up_reload_use(struct up *up, int err, const char *bytes, size_t len,
    char why[SETTINGS_WHY_MAX])
{
	struct loaded *loaded = NULL;
	size_t failed;

	if (err != 0)
		cannot_read(up, err, why, SETTINGS_WHY_MAX);
	else
		loaded = up_reload_take(up, bytes, len, why);
	if (loaded == NULL) {
		log_err("%s", why);
		log_err("nothing has been changed");
		return false;
	}
	loaded_set_batch(loaded);
	failed = up_reload_apply(up, loaded);
	if (up->only[0] != '\0' &&
	    config_find(&loaded->config, up->only) == NULL) {
		config_complain_no_tunnel(&loaded->config, up->only, why);
		return false;
	}
	snprintf(why, SETTINGS_WHY_MAX,
	    "%zu tunnel%s could not be started; the log says why", failed,
	    failed == 1 ? "" : "s");
	return failed == 0;
}

/* Lets the monitor read the file.  Returns false with the reason in why. */
static bool up_read_file(struct up *up, char *why, size_t why_size);

/* Does such a reload wait? */
static bool
is_next(const struct up *up, const char *only)
{
	for (size_t i = 0; i < up->n_next; i++)
		if (strcmp(up->next[i], only) == 0)
			return true;
	return false;
}

/* Begins the next reload, and answers those that cannot be begun. */
static void
up_reload_next(struct up *up)
{
	char only[sizeof(up->only)], why[SETTINGS_WHY_MAX];

	while (up->n_next > 0 && !up->reading) {
		memcpy(only, up->next[0], sizeof(only));
		memmove(up->next[0], up->next[1],
		    --up->n_next * sizeof(up->next[0]));
		memcpy(up->only, only, sizeof(only));
		if (up_read_file(up, why, sizeof(why)))
			return;
		log_err("%s", why);
		app_reloaded(up->app, only, why);
	}
}

static void
up_reload_on_read(void *ctx, int err, const char *bytes, size_t len)
{
	struct up *up = ctx;
	struct app *app = up->app;
	char only[sizeof(up->only)], why[SETTINGS_WHY_MAX];
	bool good;

	up->reading = false;
	if (app->shared.stopping || app->shared.draining) {
		if (!app->shared.stopping)
			notify_send(&app->notify, "READY=1");
		up->n_next = 0;
		app_reloaded(app, NULL, "culvert is stopping");
		return;
	}
	good = up_reload_use(up, err, bytes, len, why);
	notify_send(&app->notify, "READY=1");
	app_show_status(app);
	memcpy(only, up->only, sizeof(only));
	/* If it was requested again meanwhile, both requests are answered when
	 * the second reload has ended. */
	if (!is_next(up, only))
		app_reloaded(app, only, good ? NULL : why);
	up_reload_next(up);
}

static bool
up_read_file(struct up *up, char *why, size_t why_size)
{
	int err = monitor_read(up->app->shared.monitor, up_reload_on_read, up);

	up->reading = err == 0;
	if (err == 0)
		notify_reloading(&up->app->notify);
	else
		cannot_read(up, err, why, why_size);
	return err == 0;
}

/* ---- requests ---- */

/* Reloads all tunnels, or the one with that name. */
static bool
reload(struct up *up, const char *name, char *why, size_t why_size)
{
	if (name != NULL &&
	    (name[0] == '\0' || strlen(name) > LIMIT_TUNNEL_NAME)) {
		snprintf(why, why_size, "that is not a valid name of a tunnel");
		return false;
	}
	if (name != NULL && !command_line_wants(up->line, name)) {
		snprintf(why, why_size,
		    "culvert up was not started with a tunnel %s", name);
		return false;
	}
	if (name == NULL)
		name = "";
	if (!up->reading) {
		snprintf(up->only, sizeof(up->only), "%s", name);
		return up_read_file(up, why, why_size);
	}
	if (is_next(up, name))
		return true;
	if (up->n_next == LIMIT_RELOADS) {
		snprintf(why, why_size, "too many reloads are waiting");
		return false;
	}
	snprintf(up->next[up->n_next++], sizeof(up->next[0]), "%s", name);
	return true;
}

/* Can the entry with that name be stopped?  An entry that is leaving can only
 * if it has sessions and these end at once. */
static bool
is_stoppable(const struct entry *entry, const char *name, bool at_once)
{
	return strcmp(entry->config->name, name) == 0 &&
	    (!entry->leaving || (at_once && entry_has_sessions(entry)));
}

bool
up_request(void *ctx, enum control_order order, const char *name, char *why,
    size_t why_size)
{
	struct up *up = ctx;
	bool at_once = order == CONTROL_STOP, any = false;
	struct destination *destination;
	struct entry *entry;

	if (order == CONTROL_RELOAD)
		return reload(up, name, why, why_size);
	TAILQ_FOREACH (destination, &up->app->shared.destinations, link)
		TAILQ_FOREACH (entry, &destination->entries, link) {
			if (!is_stoppable(entry, name, at_once))
				continue;
			if (!any)
				log_info("%s: received a request to %s", name,
				    at_once ? "stop" : "drain");
			any = true;
			/* Stopping the last tunnel is no failure. */
			if (!entry->leaving)
				up->app->dismissed =
				    count_entries(up, NULL) == 1;
			entry_leave(entry, at_once,
			    at_once ? "This tunnel was stopped" :
				      "this tunnel was stopped");
		}
	if (!any)
		snprintf(why, why_size, "no tunnel %.64s is running", name);
	else
		app_sweep(up->app);
	return any;
}
