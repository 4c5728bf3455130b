/*
 * The running culverts that a command can talk to by their control sockets (see
 * process/control.h).  These functions block: only subcommands call them.
 */
#ifndef CLIENT_INSTANCE_H
#define CLIENT_INSTANCE_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

/* The most that are looked for. */
#define INSTANCES_MAX 64

#define INSTANCE_WHY_MAX 300

/* A running culvert, and the connection to its control socket. */
struct instance {
	char path[128]; /* of its control socket */
	int fd;
	char *rest; /* heap, owned: bytes received behind the last answer */
	size_t len;
};

/*
 * Connects to the control socket at path; if path is NULL, to those of all
 * culverts of this user, and for root also to those of the services.  They are
 * searched for in $XDG_RUNTIME_DIR, $TMPDIR and /tmp, and for root in
 * /run/culvert*; a directory that belongs to somebody else is ignored.
 * Returns how many were found; 0 with the reason, for the user, in why.
 */
size_t instances_open(const char *path,
    struct instance instances[INSTANCES_MAX], char why[INSTANCE_WHY_MAX]);

void instances_close(struct instance *instances, size_t n);

/*
 * Sends a request, which it frees, and returns the answer, which the caller
 * frees by json_decref().  NULL with the reason in why: the connection has
 * ended, no answer came for 30 seconds (then the connection is closed, and fd
 * is -1), or the answer is an error.
 */
json_t *instance_request(struct instance *instance, json_t *request,
    char why[INSTANCE_WHY_MAX]);

/* The answer to "status". */
json_t *instance_status(struct instance *instance, char why[INSTANCE_WHY_MAX]);

/* Removes all tunnels from an answer to "status" that have none of the names,
 * and destinations that have no tunnel then.  False: none is left. */
bool status_keep(json_t *status, const char *const *names, size_t n);

/* Waits until this culvert has exited. */
void instance_wait_end(struct instance *instance);

#endif
