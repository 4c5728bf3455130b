/*
 * culvert up: the start (up.c) and the reload (up_reload.c) of the tunnels of a
 * configuration file.
 */
#ifndef PROCESS_UP_H
#define PROCESS_UP_H

#include <stdbool.h>
#include <stddef.h>

#include "conf/config.h"
#include "limits.h"
#include "process/app.h"
#include "process/loaded.h"

/* Runs the tunnels that line names until a signal ends them.  Returns an enum
 * exit_status; errors have been logged. */
int up_run(const struct command_line *line);

/* ---- what the two files share ---- */

struct up {
	const struct command_line *line;
	struct loaded *loaded; /* the latest */
	struct app *app;

	/* The tunnel to which the reload applies; "": all. */
	char only[LIMIT_TUNNEL_NAME + 1];
	bool reading; /* the monitor is reading the file */
	/* The reloads that were requested meanwhile, each once: values for
	 * only. */
	char next[LIMIT_RELOADS][LIMIT_TUNNEL_NAME + 1];
	size_t n_next;

	/* In the monitor's process: the file as it was read last. */
	struct loaded *reread;
};

/* The destination that has the same link options as the tunnel, or NULL. */
struct destination *up_shared(const struct up *up,
    const struct config_tunnel *tunnel);

/* ---- up_reload.c ---- */

/* Called in the monitor's process: the functions of struct monitor_source. */
char *up_read_again(void *ctx, size_t *ret_len);
bool up_find_again(void *ctx, const char *name, struct link_options *ret);

/* The function for app_options.request. */
bool up_request(void *ctx, enum control_order order, const char *name,
    char *why, size_t why_size);

#endif
