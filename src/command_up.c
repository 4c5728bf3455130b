/*
 * culvert up: tunnels of the configuration file, in one process.  Those that
 * have the same destination, and say the same for ssh, share its links.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "app.h"
#include "base/log.h"
#include "commands.h"
#include "conf/config.h"

static const char help[] =
    "usage: culvert up [-f FILE] [-qv] NAME...\n"
    "       culvert up [-f FILE] [-qv] --all\n"
    "\n"
    "Starts these tunnels of the configuration file, or all, in one process that runs\n"
    "until a signal ends it.\n"
    "\n"
    "  -f FILE           read this one; else ~/.config/culvert/culvert.conf, or, if\n"
    "                    there is none, /etc/culvert/culvert.conf\n"
    "      --all         all of its tunnels\n"
    "  -q                only errors\n"
    "  -v                more words; again for the FTP commands\n"
    "      --help\n"
    "\n"
    "What the file says: culvert config, culvert.conf(5).\n"
    "Exit status: 0 stopped by a signal, 1 failed, 2 bad usage, 255 ssh could not\n"
    "connect to any destination.\n";

/* A configuration that was read, as long as somebody needs it. */
struct loaded {
	struct config config;
	size_t users;
};

/* One that was started. */
struct running {
	const struct config_tunnel *tunnel; /* as it was when it was */
	struct destination *destination;
	struct entry *entry;
};

struct up {
	const struct command_line *line;
	struct loaded *loaded; /* the latest */
	struct app *app;
	struct running *running;
	size_t n_running;
	bool again;	       /* asked for while the file was being read */
	struct loaded *reread; /* the monitor's own */
};

static void
loaded_release(void *ctx)
{
	struct loaded *loaded = ctx;

	if (--loaded->users > 0)
		return;
	config_free(&loaded->config);
	free(loaded);
}

/* Of settings, which become its own.  NULL: why says it. */
static struct loaded *
loaded_new(struct settings *settings, char why[SETTINGS_WHY_MAX])
{
	struct loaded *loaded = calloc(1, sizeof(*loaded));

	snprintf(why, SETTINGS_WHY_MAX, "out of memory");
	if (loaded == NULL) {
		settings_free(settings);
		return NULL;
	}
	loaded->users = 1;
	if (config_make(settings, &loaded->config, why) == 0)
		return loaded;
	loaded_release(loaded);
	return NULL;
}

static struct loaded *
load(const char *path, char why[SETTINGS_WHY_MAX])
{
	struct settings settings;

	if (settings_read(path, &settings, why) == 0)
		return loaded_new(&settings, why);
	settings_free(&settings);
	return NULL;
}

/* Of a tunnel; the options are needed once more. */
static struct entry_plan
plan_of(struct loaded *loaded, const struct config_tunnel *tunnel)
{
	loaded->users++;
	return (struct entry_plan) {
		.name = tunnel->name,
		.options = {
			.options = &tunnel->options,
			.gone = loaded_release,
			.ctx = loaded,
		},
	};
}

/* ---- what is to run ---- */

static bool
is_wanted(const struct up *up, const struct config_tunnel *tunnel)
{
	if (up->line->flag)
		return true;
	for (int i = 0; i < up->line->n_names; i++)
		if (strcmp(up->line->names[i], tunnel->name) == 0)
			return true;
	return false;
}

/* Every name that was given is a tunnel's. */
static bool
check_names(const struct up *up)
{
	const struct config *config = &up->loaded->config;

	for (int i = 0; i < up->line->n_names; i++) {
		if (config_find(config, up->line->names[i]) != NULL)
			continue;
		log_err("there is no [tunnel %s] in %s", up->line->names[i],
		    config->settings.files[0]);
		return false;
	}
	return true;
}

/*
 * Sets to[n] to the first tunnel of each destination: those that say the same
 * for the links share them.  False: why has been logged.
 */
static bool
group(const struct up *up, const struct config_tunnel **to, size_t *ret_n)
{
	struct config *config = &up->loaded->config;
	size_t n = 0;

	for (size_t i = 0; i < config->n_tunnels; i++) {
		const struct config_tunnel *tunnel = &config->tunnels[i];
		size_t at = 0;

		if (!is_wanted(up, tunnel))
			continue;
		while (at < n && !config_same(to[at], tunnel, OPTION_LINK))
			at++;
		if (at == LIMIT_DESTINATIONS) {
			log_err("more than %d destinations; start some of the "
				"tunnels with another culvert up",
			    LIMIT_DESTINATIONS);
			return false;
		}
		if (at == n)
			to[n++] = tunnel;
	}
	*ret_n = n;
	return true;
}

/* Several that ask at a time, on one terminal, nobody could answer. */
static void
ask_nobody(struct config *config)
{
	for (size_t i = 0; i < config->n_tunnels; i++)
		config->tunnels[i].options.batch = true;
}

/* ---- one tunnel ---- */

/* The destination of one that says the same for the links, or NULL. */
static struct destination *
shared(const struct up *up, const struct config_tunnel *tunnel)
{
	for (size_t i = 0; i < up->n_running; i++) {
		const struct running *running = &up->running[i];

		if (destination_is_usable(running->destination) &&
		    config_same(running->tunnel, tunnel, OPTION_LINK))
			return running->destination;
	}
	return NULL;
}

static struct destination *
add_destination(struct up *up, const struct config_tunnel *tunnel, size_t to)
{
	const struct entry_plan plan = plan_of(up->loaded, tunnel);

	return app_add(up->app, to, &plan.options);
}

/* False: why has been logged. */
static bool
add_tunnel(struct up *up, const struct config_tunnel *tunnel,
    struct destination *destination)
{
	const struct entry_plan plan = plan_of(up->loaded, tunnel);
	struct entry *entry;
	struct running *grown =
	    realloc(up->running, (up->n_running + 1) * sizeof(*grown));

	if (grown == NULL) {
		log_err("out of memory");
		loaded_release(up->loaded);
		return false;
	}
	up->running = grown;
	entry = destination_add(destination, &plan);
	if (entry == NULL)
		return false;
	up->running[up->n_running++] =
	    (struct running) { tunnel, destination, entry };
	return true;
}

/* ---- the start ---- */

static bool
fill(void *ctx, struct app *app)
{
	struct up *up = ctx;
	struct config *config = &up->loaded->config;
	size_t n = 0;

	up->app = app;
	for (size_t i = 0; i < config->n_tunnels; i++) {
		const struct config_tunnel *tunnel = &config->tunnels[i];
		struct destination *destination;

		if (!is_wanted(up, tunnel))
			continue;
		destination = shared(up, tunnel);
		if (destination == NULL)
			destination = add_destination(up, tunnel, n++);
		if (destination == NULL || !add_tunnel(up, tunnel, destination))
			return false;
	}
	return true;
}

/* ---- in the monitor: what it reads again ---- */

/* A letter, and behind it what is wrong, or the settings. */
#define WRONG 'w'
#define RIGHT 'r'

static char *
read_again(void *ctx, size_t *ret_len)
{
	struct up *up = ctx;
	char why[SETTINGS_WHY_MAX], *settings, *bytes = NULL;
	struct loaded *loaded = load(up->line->path, why);

	if (loaded == NULL) {
		*ret_len = 1 + strlen(why);
		if (asprintf(&bytes, "%c%s", WRONG, why) < 0)
			return NULL;
		return bytes;
	}
	ask_nobody(&loaded->config);
	/* What it was started with is in use as long as it runs. */
	if (up->reread != NULL)
		loaded_release(up->reread);
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

static bool
find_again(void *ctx, const char *name, struct link_options *ret)
{
	const struct up *up = ctx;
	const struct config_tunnel *tunnel =
	    up->reread != NULL ? config_find(&up->reread->config, name) : NULL;

	if (tunnel != NULL)
		*ret = destination_link_options(&tunnel->options, 0);
	return tunnel != NULL;
}

/* ---- reload ---- */

/* The one of the latest configuration that it still is, or NULL. */
static const struct config_tunnel *
same_tunnel(const struct up *up, const struct running *running)
{
	const struct config_tunnel *now =
	    config_find(&up->loaded->config, running->tunnel->name);

	if (now == NULL || !is_wanted(up, now) ||
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

		if (same_tunnel(up, running) != NULL)
			continue;
		log_info("%s: its configuration has changed, or is gone; its "
			 "sessions end when their transfers have",
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
	destination = add_destination(up, tunnel, to);
	if (destination == NULL)
		return false;
	if (add_tunnel(up, tunnel, destination))
		return app_start(app, destination);
	app_look(app); /* nobody wants it */
	return false;
}

static size_t
add_new(struct up *up)
{
	const struct config *config = &up->loaded->config;
	size_t n = 0;

	for (size_t i = 0; i < config->n_tunnels; i++) {
		const struct config_tunnel *tunnel = &config->tunnels[i];
		struct destination *destination;

		if (!is_wanted(up, tunnel) || runs(up, tunnel->name))
			continue;
		destination = shared(up, tunnel);
		if (destination != NULL)
			n += add_tunnel(up, tunnel, destination);
		else
			n += add_apart(up, tunnel);
	}
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

static void
apply(struct up *up, struct loaded *loaded)
{
	struct loaded *before = up->loaded;
	size_t gone, new;

	if (!config_same(&before->config.tunnels[0], &loaded->config.tunnels[0],
		OPTION_PROCESS))
		log_warn("what [defaults] says for the whole process changes "
			 "when culvert is started again");
	up->loaded = loaded;
	check_names(up);
	gone = remove_changed(up);
	new = add_new(up);
	forget_removed(up);
	log_info("%s: read again; %zu tunnel%s as before, %zu gone, %zu new",
	    loaded->config.settings.files[0], up->n_running - new,
	    up->n_running - new == 1 ? "" : "s", gone, new);
	loaded_release(before);
}

/* NULL: why says it. */
static struct loaded *
take(const char *bytes, size_t len, char why[SETTINGS_WHY_MAX])
{
	struct settings settings;

	snprintf(why, SETTINGS_WHY_MAX, "out of memory");
	if (bytes == NULL || len == 0)
		return NULL;
	if (bytes[0] == WRONG) {
		snprintf(why, SETTINGS_WHY_MAX, "%.*s", (int)(len - 1),
		    bytes + 1);
		return NULL;
	}
	if (settings_parse(bytes + 1, len - 1, &settings) == 0)
		return loaded_new(&settings, why);
	settings_free(&settings);
	return NULL;
}

static void on_read(void *ctx, const char *bytes, size_t len);

static void
on_hangup(void *ctx)
{
	struct up *up = ctx;
	int err = monitor_read(up->app->monitor, on_read, up);

	up->again = err == -EBUSY;
	if (err == 0)
		notify_reloading(&up->app->notify);
	else if (!up->again)
		log_err("cannot read %s again: %s", up->line->path,
		    strerror(-err));
}

static void
on_read(void *ctx, const char *bytes, size_t len)
{
	struct up *up = ctx;
	struct loaded *loaded;
	char why[SETTINGS_WHY_MAX];

	if (up->app->stopping || up->app->draining)
		return;
	loaded = take(bytes, len, why);
	if (loaded != NULL) {
		ask_nobody(&loaded->config);
		apply(up, loaded);
	} else {
		log_err("%s", why);
		log_err("nothing has been changed");
	}
	notify_send(&up->app->notify, "READY=1");
	app_show_status(up->app);
	if (up->again)
		on_hangup(up);
}

/* ---- culvert up ---- */

static int
run(struct up *up)
{
	const struct monitor_source source = {
		.read = read_again,
		.find = find_again,
		.ctx = up,
	};
	const struct app_owner owner = {
		.named = true,
		.fill = fill,
		.hangup = on_hangup,
		.ctx = up,
		.source = &source,
	};
	struct config *config = &up->loaded->config;
	struct options *process = &config->process;
	const struct config_tunnel *to[LIMIT_DESTINATIONS] = { NULL };
	const struct options *options[LIMIT_DESTINATIONS];
	size_t n;

	process->quiet |= up->line->quiet;
	process->verbose += up->line->verbose;
	commands_set_log(process);
	if (!check_names(up) || !group(up, to, &n))
		return EXIT_FAILED;
	if (n > 1)
		ask_nobody(config);
	for (size_t i = 0; i < n; i++)
		options[i] = &to[i]->options;
	return app_run(process, options, n, &owner);
}

int
command_up(int argc, char **argv)
{
	struct command_line line;
	struct up up = { .line = &line };
	struct loaded *first;
	char why[SETTINGS_WHY_MAX];
	int status = EXIT_FAILED;

	if (command_line_read(argc, argv, "all", help, &line, &status))
		return status;
	if (line.flag == (line.n_names > 0))
		return command_misused(argv[0],
		    line.flag ? "either --all or names of tunnels" :
				"which tunnels?  Give their names, or --all");
	up.loaded = load(line.path, why);
	if (up.loaded == NULL) {
		log_err("%s", why);
		return EXIT_FAILED;
	}
	/* What is one for all stays as it was at the start. */
	first = up.loaded;
	first->users++;
	status = run(&up);
	free(up.running);
	loaded_release(up.loaded);
	loaded_release(first);
	return status;
}
