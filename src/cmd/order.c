/*
 * culvert stop, drain, reload: orders to a running culvert.
 */
#include <jansson.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/log.h"
#include "client/instance.h"
#include "cmd/cmd.h"
#include "conf/options.h"
#include "process/shared.h"

static const char help_end[] =
    "usage: culvert stop [--wait] [-S SOCKET] [NAME]\n"
    "       culvert drain [--wait] [-S SOCKET] [NAME]\n"
    "\n"
    "Ends a running culvert, or with NAME one tunnel of culvert up.\n"
    "\n"
    "  stop              end now: transfers are cut and clients get 421; a culvert\n"
    "                    started with --drain lets transfers end first, for at most\n"
    "                    that time\n"
    "  drain             accept no new clients, and end when the last transfer has\n"
    "                    ended\n"
    "\n"
    "      --wait        return only when it has ended\n"
    "  -S SOCKET         the culvert with this control socket, if several are running\n"
    "      --help\n"
    "\n"
    "Exit status: 0 done, 1 not done, 2 bad usage.\n";

static const char help_reload[] =
    "usage: culvert reload [-S SOCKET] [NAME]\n"
    "\n"
    "Lets a running culvert up read its configuration file again.  With NAME, only\n"
    "that tunnel changes; if it was stopped, it is started again.\n"
    "\n"
    "  -S SOCKET         the culvert with this control socket, if several are running\n"
    "      --help\n"
    "\n"
    "Exit status: 0 done, 1 not done, 2 bad usage.\n";

#define ORDER_LOOK_MS 100

struct order {
	const char *what;
	const char *name; /* of a tunnel, or NULL */
	const char *path;
	unsigned wait;
};

static bool
has_tunnel(struct instance *instance, const char *name)
{
	char why[INSTANCE_WHY_MAX];
	json_t *status = instance_status(instance, why);
	bool found = status_keep(status, &name, 1);

	json_decref(status);
	return found;
}

/* "files.test (plant, bank)" */
static void
put_destination(FILE *file, const json_t *destination)
{
	const char *name =
	    json_string_value(json_object_get(destination, "destination"));
	const char *before = " (";
	const json_t *tunnel;
	size_t i;

	fputs(name != NULL ? name : "", file);
	json_array_foreach(json_object_get(destination, "tunnels"), i, tunnel)
	{
		name = json_string_value(json_object_get(tunnel, "name"));
		if (name == NULL)
			continue;
		fprintf(file, "%s%s", before, name);
		before = ", ";
	}
	if (before[0] == ',')
		putc(')', file);
}

/* Logs the command that sends the order to this culvert, and the destinations
 * and tunnels of this culvert. */
static void
order_show(const struct order *order, struct instance *instance)
{
	char why[INSTANCE_WHY_MAX], text[LOG_ESCAPED_MAX] = "";
	char shown[LOG_ESCAPED_MAX];
	json_t *status = instance_status(instance, why);
	FILE *file = fmemopen(text, sizeof(text), "w");
	const json_t *destination;
	size_t i;

	json_array_foreach(json_object_get(status, "destinations"), i,
	    destination)
	{
		if (file == NULL)
			break;
		fputs(i > 0 ? ", " : "", file);
		put_destination(file, destination);
	}
	if (file != NULL)
		fclose(file);
	/* The text is escaped, because the peer may be another program. */
	log_err("culvert %s -S %s%s%s  # process %lld: %s", order->what,
	    instance->path, order->name != NULL ? " " : "",
	    order->name != NULL ? order->name : "",
	    (long long)json_integer_value(json_object_get(status, "pid")),
	    status == NULL ?
		why :
		log_escape(shown, sizeof(shown), text, strlen(text)));
	json_decref(status);
}

/* Returns the only culvert, or the only one that has the tunnel.  Returns NULL
 * if there is none or more than one, which has been logged. */
static struct instance *
order_choose(const struct order *order, struct instance *instances, size_t n)
{
	struct instance *found = NULL;
	size_t n_found = 0;

	if (n == 1)
		return &instances[0];
	for (size_t i = 0; i < n && order->name != NULL; i++)
		if (has_tunnel(&instances[i], order->name)) {
			found = &instances[i];
			n_found++;
		}
	if (n_found == 1)
		return found;
	log_err("several culvert processes are running; choose the one to "
		"%s:",
	    order->what);
	for (size_t i = 0; i < n; i++)
		order_show(order, &instances[i]);
	return NULL;
}

static void
order_wait_end(const struct order *order, struct instance *instance)
{
	const struct timespec pause = { .tv_nsec = ORDER_LOOK_MS * 1000000 };

	if (order->name == NULL) {
		instance_wait_end(instance);
		return;
	}
	while (has_tunnel(instance, order->name))
		nanosleep(&pause, NULL);
}

static int
give(const struct order *order, struct instance *instance)
{
	json_t *request = json_pack("{s:s}", "do", order->what), *answer;
	char why[INSTANCE_WHY_MAX];

	/* Without "tunnel" the request would apply to the whole process. */
	if (order->name != NULL &&
	    json_object_set_new(request, "tunnel", json_string(order->name)) !=
		0) {
		log_err("that is not a valid name of a tunnel");
		json_decref(request);
		return EXIT_FAILED;
	}
	answer = instance_request(instance, request, why);
	if (answer == NULL) {
		log_err("%s", why);
		return EXIT_FAILED;
	}
	json_decref(answer);
	if (order->wait)
		order_wait_end(order, instance);
	return EXIT_STOPPED;
}

static bool
order_read_line(int argc, char **argv, struct order *ret, int *ret_status)
{
	const struct options_own own[] = {
		{ "wait", '\0', .count = &ret->wait },
		{ NULL, 'S', .value = &ret->path },
		{ .name = NULL },
	};
	bool reload = strcmp(argv[0], "reload") == 0;
	int first;

	/* culvert reload has no --wait: the answer comes when the reload has
	 * ended. */
	if (command_read(argc, argv, reload ? own + 1 : own,
		reload ? help_reload : help_end, &first, ret_status))
		return true;
	if (argc - first > 1) {
		*ret_status =
		    command_misused(argv[0], "only one name is allowed");
		return true;
	}
	ret->name = argv[first];
	return false;
}

int
command_order(int argc, char **argv)
{
	static struct instance instances[INSTANCES_MAX];
	struct order order = { .what = argv[0] };
	struct instance *one;
	char why[INSTANCE_WHY_MAX];
	int status = EXIT_FAILED;
	size_t n;

	if (order_read_line(argc, argv, &order, &status))
		return status;
	n = instances_open(order.path, instances, why);
	if (n == 0) {
		log_err("%s", why);
		return EXIT_FAILED;
	}
	one = order_choose(&order, instances, n);
	if (one != NULL)
		status = give(&order, one);
	instances_close(instances, n);
	return status;
}
