/*
 * The client's side of the control socket.
 */
#include "client/instance.h"

#include <errno.h>
#include <glob.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/log.h"

/* How long to wait for an answer. */
#define INSTANCE_TIME_OUT_MS 30000

/* Longest answer, in bytes; that of a thousand sessions has 500000. */
#define INSTANCE_ANSWER_MAX (64 * 1024 * 1024)

/* ---- the running culverts ---- */

/* Does the directory of the socket belong to a trusted user?  In /tmp, anybody
 * may make a directory with that name. */
static bool
is_trusted(const char *path)
{
	char directory[128];
	struct stat st;

	snprintf(directory, sizeof(directory), "%s", path);
	*strrchr(directory, '/') = '\0';
	return lstat(directory, &st) == 0 && S_ISDIR(st.st_mode) &&
	    (st.st_uid == geteuid() || st.st_uid == 0 ||
		(geteuid() == 0 && strncmp(path, "/run/", 5) == 0));
}

/* Connects to the socket at path.  Returns 0 or a negative errno. */
static int
instance_connect(const char *path, int *ret_fd)
{
	struct sockaddr_un un = { .sun_family = AF_UNIX };
	CLEANUP(cleanup_fd) int fd = -1;

	if (strlen(path) >= sizeof(un.sun_path))
		return -ENAMETOOLONG;
	memcpy(un.sun_path, path, strlen(path));
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0 || connect(fd, (struct sockaddr *)&un, sizeof(un)) != 0)
		return -errno;
	*ret_fd = steal_fd(&fd);
	return 0;
}

/* Adds the culvert whose control socket is at path.  Returns how many there are
 * then. */
static size_t
instances_add(const char *path, struct instance *instances, size_t n)
{
	if (n == INSTANCES_MAX || strlen(path) >= sizeof(instances->path))
		return n;
	for (size_t i = 0; i < n; i++)
		if (strcmp(instances[i].path, path) == 0)
			return n;
	instances[n] = (struct instance) { .fd = -1 };
	snprintf(instances[n].path, sizeof(instances[n].path), "%s", path);
	return instance_connect(path, &instances[n].fd) == 0 ? n + 1 : n;
}

static size_t
instances_look_in(const char *pattern, struct instance *instances, size_t n)
{
	glob_t found;

	if (glob(pattern, GLOB_NOSORT, NULL, &found) != 0)
		return n;
	for (size_t i = 0; i < found.gl_pathc; i++)
		if (is_trusted(found.gl_pathv[i]))
			n = instances_add(found.gl_pathv[i], instances, n);
	globfree(&found);
	return n;
}

size_t
instances_open(const char *path, struct instance instances[INSTANCES_MAX],
    char why[INSTANCE_WHY_MAX])
{
	const char *const places[] = { getenv("XDG_RUNTIME_DIR"),
		getenv("TMPDIR"), "/tmp",
		geteuid() == 0 ? "/run/culvert*" : NULL };
	char pattern[512];
	size_t n = 0;

	if (path != NULL) {
		int err;

		instances[0] = (struct instance) { .fd = -1 };
		snprintf(instances[0].path, sizeof(instances[0].path), "%s",
		    path);
		err = instance_connect(path, &instances[0].fd);
		if (err != 0)
			snprintf(why, INSTANCE_WHY_MAX,
			    "cannot connect to %s: %s", path, strerror(-err));
		return err == 0;
	}
	for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
		if (places[i] == NULL || places[i][0] != '/')
			continue;
		snprintf(pattern, sizeof(pattern), "%s/culvert.*/control",
		    places[i]);
		n = instances_look_in(pattern, instances, n);
	}
	if (n == 0)
		snprintf(why, INSTANCE_WHY_MAX,
		    "no culvert of this user is running%s",
		    geteuid() == 0 ? ", nor one of a service" :
				     " (only root can see those of a service)");
	return n;
}

void
instances_close(struct instance *instances, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		cleanup_fd(&instances[i].fd);
		free(instances[i].rest);
	}
}

/* ---- requests ---- */

static bool
instance_send_line(int fd, json_t *request)
{
	char *text = json_dumps(request, JSON_COMPACT);
	bool good = text != NULL &&
	    send(fd, text, strlen(text), MSG_NOSIGNAL) ==
		(ssize_t)strlen(text) &&
	    send(fd, "\n", 1, MSG_NOSIGNAL) == 1;

	free(text);
	json_decref(request);
	return good;
}

/* Reads once.  Returns false with the reason in why. */
static bool
instance_read_more(struct instance *instance, char why[INSTANCE_WHY_MAX])
{
	struct pollfd ready = { .fd = instance->fd, .events = POLLIN };
	char *grown = NULL;
	ssize_t n;
	int got;

	if (instance->len <= INSTANCE_ANSWER_MAX)
		grown = realloc(instance->rest, instance->len + 65536);
	if (grown == NULL) {
		snprintf(why, INSTANCE_WHY_MAX, "out of memory");
		return false;
	}
	instance->rest = grown;
	/* SIGWINCH, for which curses has a handler, interrupts poll(2). */
	do
		got = poll(&ready, 1, INSTANCE_TIME_OUT_MS);
	while (got < 0 && errno == EINTR);
	if (got <= 0) {
		snprintf(why, INSTANCE_WHY_MAX, "culvert does not answer");
		return false;
	}
	n = read(instance->fd, instance->rest + instance->len, 65536);
	if (n <= 0) {
		snprintf(why, INSTANCE_WHY_MAX, "culvert has ended");
		return false;
	}
	instance->len += (size_t)n;
	return true;
}

/* Waits for a line, and removes it from rest.  Returns NULL with the reason in
 * why. */
static json_t *
instance_take_line(struct instance *instance, char why[INSTANCE_WHY_MAX])
{
	char *end;
	json_t *json;
	size_t len;

	while (instance->len == 0 ||
	    (end = memchr(instance->rest, '\n', instance->len)) == NULL)
		if (!instance_read_more(instance, why))
			return NULL;
	len = (size_t)(end - instance->rest) + 1;
	json = json_loadb(instance->rest, len, 0, NULL);
	instance->len -= len;
	memmove(instance->rest, instance->rest + len, instance->len);
	if (json == NULL)
		snprintf(why, INSTANCE_WHY_MAX, "the answer is not JSON");
	return json;
}

json_t *
instance_request(struct instance *instance, json_t *request,
    char why[INSTANCE_WHY_MAX])
{
	const char *error;
	json_t *answer;

	if (!instance_send_line(instance->fd, request)) {
		snprintf(why, INSTANCE_WHY_MAX, "culvert has ended");
		return NULL;
	}
	answer = instance_take_line(instance, why);
	/* An answer that comes late would be taken for the next one. */
	if (answer == NULL) {
		cleanup_fd(&instance->fd);
		instance->fd = -1;
	}
	error = json_string_value(json_object_get(answer, "error"));
	if (error == NULL)
		return answer;
	/* The peer need not be culvert. */
	log_show(why, INSTANCE_WHY_MAX, error);
	json_decref(answer);
	return NULL;
}

json_t *
instance_status(struct instance *instance, char why[INSTANCE_WHY_MAX])
{
	return instance_request(instance, json_pack("{s:s}", "do", "status"),
	    why);
}

static bool
has_name(const json_t *tunnel, const char *const *names, size_t n)
{
	const char *name = json_string_value(json_object_get(tunnel, "name"));

	for (size_t i = 0; i < n && name != NULL; i++)
		if (strcmp(names[i], name) == 0)
			return true;
	return false;
}

bool
status_keep(json_t *status, const char *const *names, size_t n)
{
	json_t *destinations = json_object_get(status, "destinations");

	for (size_t i = json_array_size(destinations); i-- > 0;) {
		json_t *tunnels =
		    json_object_get(json_array_get(destinations, i), "tunnels");

		for (size_t j = json_array_size(tunnels); j-- > 0;)
			if (!has_name(json_array_get(tunnels, j), names, n))
				json_array_remove(tunnels, j);
		if (json_array_size(tunnels) == 0)
			json_array_remove(destinations, i);
	}
	return json_array_size(destinations) > 0;
}

void
instance_wait_end(struct instance *instance)
{
	char bytes[512];
	ssize_t n;

	do
		n = read(instance->fd, bytes, sizeof(bytes));
	while (n > 0 || (n < 0 && errno == EINTR));
}
