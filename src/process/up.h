/*
 * culvert up: the start (up.c) and reload (up_reload.c) of the tunnels of a
 * configuration file.
 */
#ifndef PROCESS_UP_H
#define PROCESS_UP_H

#include <stdbool.h>
#include <stddef.h>

#include "process/app.h"
#include "conf/config.h"

/*
 * Runs the tunnels that line names until a signal ends them.  Returns an enum
 * exit_status; what is wrong has been logged.
 */
int up_run(const struct command_line *line);

/* ---- what the two share ---- */

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
	char only[LIMIT_TUNNEL_NAME + 1]; /* that is reloaded, or "": all */
	bool reading;
	bool again;	       /* asked for while the file was being read */
	struct loaded *reread; /* the monitor's own */
};

/* One that nobody needs any more is freed. */
void up_release(void *ctx);

/* Makes a configuration of settings, which it takes over, or of the file that
 * line names; -q and -v of line are added to it.  NULL: why says the reason. */
struct loaded *up_loaded(const struct command_line *line,
    struct settings *settings, char why[SETTINGS_WHY_MAX]);
struct loaded *up_load(const struct command_line *line,
    char why[SETTINGS_WHY_MAX]);

/* Several that ask at a time, on one terminal, nobody could answer. */
void up_ask_nobody(struct config *config);

/* Is it to run, as the command line has it? */
bool up_wants(const struct up *up, const struct config_tunnel *tunnel);

/* Is every name of the command line a tunnel's?  What is not has been logged.
 */
bool up_check_names(const struct up *up);

/* The destination of one that says the same for the links, or NULL. */
struct destination *up_shared(const struct up *up,
    const struct config_tunnel *tunnel);

/* As app_add(), in that place. */
struct destination *up_add_destination(struct up *up,
    const struct config_tunnel *tunnel, size_t to);

/* False: why has been logged. */
bool up_add_tunnel(struct up *up, const struct config_tunnel *tunnel,
    struct destination *destination);

/* ---- up_reload.c ---- */

/* In the monitor: struct monitor_source. */
char *up_read_again(void *ctx, size_t *ret_len);
bool up_find_again(void *ctx, const char *name, struct link_options *ret);

/* struct app_owner. */
bool up_order(void *ctx, enum app_order order, const char *name, char *why,
    size_t why_size);

#endif
