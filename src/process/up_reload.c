/*
 * culvert up: what changes while it runs, by a reload of the configuration file
 * (SIGHUP), or by the control socket.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "process/config_check.h"
#include "process/up.h"

/* ---- in the monitor: what it reads again ---- */

/* A letter, and behind it what is wrong, or the settings. */
#define WRONG 'w'
#define RIGHT 'r'

char *
up_read_again(void *ctx, size_t *ret_len)
{
	struct up *up = ctx;
	char why[SETTINGS_WHY_MAX], *settings, *bytes = NULL;
	struct loaded *loaded = up_load(up->line, why);

	/* Not config_check_here(): this is the monitor, which must keep its
	 * user, and must not wait for ssh -G. */
	if (loaded != NULL &&
	    config_check_together(&loaded->config, up->line, why) != 0) {
		up_release(loaded);
		loaded = NULL;
	}
	if (loaded == NULL) {
		*ret_len = 1 + strlen(why);
		if (asprintf(&bytes, "%c%s", WRONG, why) < 0)
			return NULL;
		return bytes;
	}
	up_ask_nobody(&loaded->config);
	/* What it was started with is in use as long as it runs. */
	if (up->reread != NULL)
		up_release(up->reread);
	up->reread = loaded;
	settings = settings_write(&loaded->config.settings, ret_len);
	if (settings != NULL)
		bytes = malloc(*ret_len + 1);
	if (bytes != NULL) {
		bytes[0] = RIGHT;
		memcpy(bytes + 1, settings, *ret_len);
		++*ret_len;
	}
	free(settings);
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

/* Is the reload about that one? */
static bool
is_meant(const struct up *up, const char *name)
{
	return up->only[0] == '\0' || strcmp(up->only, name) == 0;
}

/* The one of the latest configuration that it still is, or NULL. */
static const struct config_tunnel *
same_tunnel(const struct up *up, const struct running *running)
{
	const struct config_tunnel *now =
	    config_find(&up->loaded->config, running->tunnel->name);

	if (now == NULL || !up_wants(up, now) ||
	    !destination_is_usable(running->destination) ||
	    !config_same(running->tunnel, now, OPTION_TUNNEL) ||
	    !config_same(running->tunnel, now, OPTION_LINK))
		return NULL;
	return now;
}

static bool
runs(const struct up *up, const char *name)
{
	for (size_t i = 0; i < up->n_running; i++)
		if (up->running[i].entry != NULL &&
		    strcmp(up->running[i].tunnel->name, name) == 0)
			return true;
	return false;
}

/* Those that are not what they were; their place in the table is kept for now,
 * since others may share their destination. */
static size_t
remove_changed(struct up *up)
{
	size_t n = 0;

	for (size_t i = 0; i < up->n_running; i++) {
		struct running *running = &up->running[i];

		if (!is_meant(up, running->tunnel->name) ||
		    same_tunnel(up, running) != NULL)
			continue;
		log_info("%s: configuration changed or removed; sessions "
			 "will close after their current transfers",
		    running->tunnel->name);
		destination_remove(running->entry,
		    "the configuration has changed");
		running->entry = NULL;
		n++;
	}
	return n;
}

/* A destination of its own, started at once. */
static bool
add_apart(struct up *up, const struct config_tunnel *tunnel)
{
	struct app *app = up->app;
	struct destination *destination;
	size_t to = 0;

	while (to < LIMIT_DESTINATIONS && app->destinations[to] != NULL)
		to++;
	if (to == LIMIT_DESTINATIONS) {
		log_err("%s: more than %d destinations", tunnel->name,
		    LIMIT_DESTINATIONS);
		return false;
	}
	if (monitor_use(app->monitor, to, tunnel->name) != 0)
		return false;
	destination = up_add_destination(up, tunnel, to);
	if (destination == NULL)
		return false;
	if (up_add_tunnel(up, tunnel, destination))
		return app_start(app, destination);
	app_look(app); /* nobody wants it */
	return false;
}

/* Returns how many; *ret_failed: how many more there should be. */
static size_t
add_new(struct up *up, size_t *ret_failed)
{
	const struct config *config = &up->loaded->config;
	size_t n = 0, wanted = 0;

	for (size_t i = 0; i < config->n_tunnels; i++) {
		const struct config_tunnel *tunnel = &config->tunnels[i];
		struct destination *destination;

		if (!is_meant(up, tunnel->name) || !up_wants(up, tunnel) ||
		    runs(up, tunnel->name))
			continue;
		wanted++;
		destination = up_shared(up, tunnel);
		if (destination != NULL)
			n += up_add_tunnel(up, tunnel, destination);
		else
			n += add_apart(up, tunnel);
	}
	*ret_failed = wanted - n;
	return n;
}

/* Those without an entry. */
static void
forget_removed(struct up *up)
{
	size_t n = 0;

	for (size_t i = 0; i < up->n_running; i++)
		if (up->running[i].entry != NULL)
			up->running[n++] = up->running[i];
	up->n_running = n;
}

/* Returns how many tunnels could not be started, which has been logged. */
static size_t
up_reload_apply(struct up *up, struct loaded *loaded)
{
	struct loaded *before = up->loaded;
	size_t gone, new, failed;

	if (!config_same(&before->config.tunnels[0], &loaded->config.tunnels[0],
		OPTION_PROCESS))
		log_warn("settings in [defaults] for the whole process take "
			 "effect when culvert is restarted");
	up->loaded = loaded;
	up_check_names(up);
	gone = remove_changed(up);
	new = add_new(up, &failed);
	forget_removed(up);
	log_info("%s: reloaded; %zu tunnel%s unchanged, %zu removed, %zu new",
	    loaded->config.settings.files[0], up->n_running - new,
	    up->n_running - new == 1 ? "" : "s", gone, new);
	up_release(before);
	return failed;
}

/* NULL: why says it. */
static struct loaded *
up_reload_take(const struct up *up, const char *bytes, size_t len,
    char why[SETTINGS_WHY_MAX])
{
	struct settings settings;

	snprintf(why, SETTINGS_WHY_MAX, "out of memory");
	if (len == 0)
		return NULL;
	if (bytes[0] == WRONG) {
		snprintf(why, SETTINGS_WHY_MAX, "%.*s", (int)(len - 1),
		    bytes + 1);
		return NULL;
	}
	if (settings_parse(bytes + 1, len - 1, &settings) == 0)
		return up_loaded(up->line, &settings, why);
	settings_free(&settings);
	return NULL;
}

static void up_reload_on_read(void *ctx, int err, const char *bytes,
    size_t len);

static void
cannot_read(const struct up *up, int err, char *why, size_t why_size)
{
	snprintf(why, why_size, "cannot reload %s: %s%s", up->line->path,
	    strerror(-err), err == -EFBIG ? " (the limit is 'ulimit -f')" : "");
}

static bool
up_read_file(struct up *up, char *why, size_t why_size)
{
	int err = monitor_read(up->app->monitor, up_reload_on_read, up);

	up->again = err == -EBUSY;
	up->reading |= err == 0;
	if (err == 0)
		notify_reloading(&up->app->notify);
	else if (!up->again)
		cannot_read(up, err, why, why_size);
	return err == 0 || up->again;
}

/* False: why says what is wrong. */
static bool
use(struct up *up, int err, const char *bytes, size_t len,
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
	up_ask_nobody(&loaded->config);
	failed = up_reload_apply(up, loaded);
	if (up->only[0] != '\0' &&
	    config_find(&loaded->config, up->only) == NULL) {
		snprintf(why, SETTINGS_WHY_MAX, "there is no [tunnel %s] in %s",
		    up->only, loaded->config.settings.files[0]);
		return false;
	}
	snprintf(why, SETTINGS_WHY_MAX,
	    "%zu tunnel%s could not be started; the log says why", failed,
	    failed == 1 ? "" : "s");
	return failed == 0;
}

static void
up_reload_on_read(void *ctx, int err, const char *bytes, size_t len)
{
	struct up *up = ctx;
	char why[SETTINGS_WHY_MAX];
	bool again = up->again, good;

	up->reading = false;
	if (up->app->stopping || up->app->draining) {
		if (!up->app->stopping)
			notify_send(&up->app->notify, "READY=1");
		app_reloaded(up->app, "it is ending");
		return;
	}
	good = use(up, err, bytes, len, why);
	notify_send(&up->app->notify, "READY=1");
	app_show_status(up->app);
	/* Of two at a time, both hear how the second has ended. */
	if (again && up_read_file(up, why, sizeof(why)))
		return;
	if (again)
		log_err("%s", why);
	app_reloaded(up->app, good && !again ? NULL : why);
}

/* ---- orders ---- */

/* Is that among what the command line wants? */
static bool
is_named(const struct up *up, const char *name)
{
	const struct config_tunnel tunnel = { .name = name };

	return up_wants(up, &tunnel);
}

/* Of all tunnels, or of that one. */
static bool
reload(struct up *up, const char *name, char *why, size_t why_size)
{
	if (name != NULL && !is_named(up, name)) {
		snprintf(why, why_size,
		    "culvert up was not told to start a tunnel %.64s", name);
		return false;
	}
	/* Of two at a time, all. */
	snprintf(up->only, sizeof(up->only), "%s",
	    name != NULL && !up->reading ? name : "");
	return up_read_file(up, why, why_size);
}

static struct running *
find_running(struct up *up, const char *name)
{
	for (size_t i = 0; i < up->n_running; i++)
		if (strcmp(up->running[i].tunnel->name, name) == 0)
			return &up->running[i];
	return NULL;
}

static const char stopped[] = "This tunnel was stopped";

/* Ends what was drained, or replaced, under that name. */
static bool
cut_leaving(struct up *up, const char *name)
{
	struct destination **all = up->app->destinations;
	bool any = false;

	for (size_t i = 0; i < LIMIT_DESTINATIONS; i++)
		if (all[i] != NULL &&
		    destination_cut_leaving(all[i], name, stopped))
			any = true;
	return any;
}

bool
up_order(void *ctx, enum app_order order, const char *name, char *why,
    size_t why_size)
{
	struct up *up = ctx;
	struct running *running;
	bool cut;

	if (order == APP_RELOAD)
		return reload(up, name, why, why_size);
	running = find_running(up, name);
	cut = order == APP_STOP && cut_leaving(up, name);
	if (running == NULL && !cut) {
		snprintf(why, why_size, "no tunnel %.64s is running", name);
		return false;
	}
	log_info("%s: received a request to %s", name,
	    order == APP_STOP ? "stop" : "drain");
	if (running == NULL)
		return true;
	if (order == APP_STOP)
		destination_cut(running->entry, stopped);
	else
		destination_remove(running->entry, "this tunnel was stopped");
	running->entry = NULL;
	forget_removed(up);
	up->app->dismissed = up->n_running == 0;
	return true;
}
