/*
 * culvert status: shows what the culverts of this user are doing.
 */
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "base/log.h"
#include "client/instance.h"
#include "client/show.h"
#include "client/view.h"
#include "cmd/cmd.h"
#include "process/app.h"

static const char help[] =
    "usage: culvert status [-w] [--json] [-S SOCKET] [NAME...]\n"
    "\n"
    "Shows the SSH connections, tunnels, sessions and running transfers of each\n"
    "culvert that this user runs; for root, also of the services.  With names, only\n"
    "these tunnels.\n"
    "\n"
    "  -w, --watch       keep watching, on the whole screen: arrow keys, j and k\n"
    "                    select a session or scroll, e asks and then ends that\n"
    "                    session, i hides idle tunnels, q quits\n"
    "      --json        print one line of JSON for each culvert\n"
    "  -S SOCKET         only the culvert with this control socket\n"
    "      --help\n"
    "\n"
    "Exit status: 0 a culvert is running, 1 none is running or it does not answer,\n"
    "2 bad usage.\n";

struct wanted {
	char **names;
	int n_names;
	unsigned watch;
	unsigned json;
	const char *path;
};

/* Returns the status of one culvert with the tunnels that the user wants; NULL,
 * with the reason in why, if it does not answer or has none of them. */
static json_t *
status_of(void *ctx, struct instance *instance, char why[INSTANCE_WHY_MAX])
{
	const struct wanted *wanted = ctx;
	json_t *status = instance_status(instance, why);

	if (status == NULL || wanted->n_names == 0 ||
	    status_keep(status, (const char *const *)wanted->names,
		(size_t)wanted->n_names))
		return status;
	snprintf(why, INSTANCE_WHY_MAX, "no culvert has such a tunnel");
	json_decref(status);
	return NULL;
}

/* ---- printing ---- */

static void
print_line(void *ctx, long session, const char *text)
{
	puts(text);
}

static unsigned
columns(void)
{
	struct winsize size;

	if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0)
		return size.ws_col;
	return 200; /* a file, or a pipe */
}

static void
print_status(const struct wanted *wanted, const json_t *status, bool first)
{
	if (wanted->json) {
		json_dumpf(status, stdout,
		    JSON_COMPACT | JSON_REAL_PRECISION(12));
		putchar('\n');
		return;
	}
	if (!first)
		putchar('\n');
	show_status(status, &(struct show_options) { .columns = columns() },
	    print_line, NULL);
}

static int
print_all(struct wanted *wanted, struct instance *instances, size_t n)
{
	char why[INSTANCE_WHY_MAX];
	bool any = false;

	for (size_t i = 0; i < n; i++) {
		json_t *status = status_of(wanted, &instances[i], why);

		if (status != NULL)
			print_status(wanted, status, !any);
		any |= status != NULL;
		json_decref(status);
	}
	if (!any)
		log_err("%s", why);
	return command_printed(any ? EXIT_STOPPED : EXIT_FAILED);
}

static int
watch_all(struct wanted *wanted, struct instance *instances, size_t n)
{
	char why[INSTANCE_WHY_MAX];

	if (!isatty(STDIN_FILENO) || !isatty(STDOUT_FILENO)) {
		log_err("-w needs a terminal; --json is for programs");
		return EXIT_USAGE;
	}
	if (view_run(instances, n, status_of, wanted, why))
		return EXIT_STOPPED;
	log_err("%s", why);
	return EXIT_FAILED;
}

/* ---- culvert status ---- */

static bool
status_read_line(int argc, char **argv, struct wanted *ret, int *ret_status)
{
	const struct options_own own[] = {
		{ "json", '\0', .count = &ret->json },
		{ "watch", 'w', .count = &ret->watch },
		{ NULL, 'S', .value = &ret->path },
		{ .name = NULL },
	};
	int first;

	if (command_read(argc, argv, own, help, &first, ret_status))
		return true;
	ret->names = argv + first;
	ret->n_names = argc - first;
	return false;
}

int
command_status(int argc, char **argv)
{
	static struct instance instances[INSTANCES_MAX];
	struct wanted wanted = { .path = NULL };
	char why[INSTANCE_WHY_MAX];
	int status = EXIT_FAILED;
	size_t n;

	if (status_read_line(argc, argv, &wanted, &status))
		return status;
	n = instances_open(wanted.path, instances, why);
	if (n == 0) {
		log_err("%s", why);
		return EXIT_FAILED;
	}
	status = wanted.watch ? watch_all(&wanted, instances, n) :
				print_all(&wanted, instances, n);
	instances_close(instances, n);
	return status;
}
